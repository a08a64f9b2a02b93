"""The files, as objects of an S3 bucket."""

import hashlib
import io
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from slipway_app import aws

if TYPE_CHECKING:
    import uuid

    from _typeshed import WriteableBuffer

# A file is read and sent in parts of this size, one after the other, in the request's own thread.
# So an upload needs memory for one part, however large the file. 5 MiB is S3's least.
_PART_BYTES: Final = 5 * 1024 * 1024
_TRANSFER: Final = TransferConfig(
    multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, use_threads=False
)

_CHUNK_BYTES: Final = 64 * 1024

_CONTENT_TYPE: Final = "application/octet-stream"


class Stored(NamedTuple):
    """What was stored."""

    size: int
    sha256: str


class Counted(io.RawIOBase):
    """A stream that counts and hashes what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self._hash = hashlib.sha256()
        self._size = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read some bytes."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read(len(view))
        self._hash.update(data)
        self._size += len(data)
        view[: len(data)] = data
        return len(data)

    def stored(self) -> Stored:
        """Return what has been read so far."""
        return Stored(self._size, self._hash.hexdigest())


class Store:
    """The artifacts of one environment in the bucket: the keys below its prefix."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._prefix = prefix + "artifacts/"

    def put(self, artifact_id: "uuid.UUID", stream: IO[bytes]) -> Stored:
        """Store what the stream gives, without holding all of it in memory.

        What goes wrong while reading is raised as it is, and leaves nothing behind.
        """
        counted = Counted(stream)
        self._s3.upload_fileobj(
            io.BufferedReader(counted, _CHUNK_BYTES),
            self._bucket,
            self._key(artifact_id),
            ExtraArgs={"ContentType": _CONTENT_TYPE},
            Config=_TRANSFER,
        )
        return counted.stored()

    def open(self, artifact_id: "uuid.UUID") -> Iterator[bytes] | None:
        """Return the content in pieces, or None where there is no such object."""
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key(artifact_id))
        except ClientError as error:
            if aws.error_code(error) == "NoSuchKey":
                return None
            raise
        return _pieces(answer["Body"])

    def delete(self, artifact_id: "uuid.UUID") -> None:
        """Delete the object; it's no error where there is none."""
        self._s3.delete_object(Bucket=self._bucket, Key=self._key(artifact_id))

    def probe(self) -> None:
        """Ask the bucket for one key of ours; raises what aws.ERRORS names."""
        self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, MaxKeys=1)

    def close(self) -> None:
        """Close all connections."""
        self._s3.close()

    def _key(self, artifact_id: "uuid.UUID") -> str:
        return f"{self._prefix}{artifact_id}"


def _pieces(body: Any) -> Iterator[bytes]:
    """Read the body to its end; whether that or the client leaves first, close it."""
    try:
        yield from body.iter_chunks(_CHUNK_BYTES)
    finally:
        body.close()
