"""The tables. migrations/ makes them; a test compares the two."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAME_LENGTH = 255
"""The most characters of an artifact's name."""


class Base(DeclarativeBase):
    """What all tables have in common."""


class Artifact(Base):
    """What is known of a file; the file itself is in the bucket."""

    __tablename__ = "artifacts"
    __table_args__ = (CheckConstraint("size >= 0", name="artifacts_size"),)

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """A UUID of version 7, so the order of ids is the order of uploads."""
    name: Mapped[str] = mapped_column(String(NAME_LENGTH))
    size: Mapped[int] = mapped_column(BigInteger)
    """In bytes."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of the content, in hexadecimal."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
