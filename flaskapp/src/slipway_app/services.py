"""What the application uses outside its process, made from the settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from slipway_app import aws
from slipway_app.catalog import Catalog
from slipway_app.credentials import Logins, SecretLogins, TokenLogins
from slipway_app.database import Database
from slipway_app.storage import Store

if TYPE_CHECKING:
    from slipway_app.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """The application's services; None where one isn't configured. Nothing is called yet."""

    database: Database | None = None
    store: Store | None = None

    @property
    def catalog(self) -> Catalog | None:
        """Return the catalog of artifacts, which needs both."""
        if self.database is None or self.store is None:
            return None
        return Catalog(self.database, self.store)

    def close(self) -> None:
        """Close all connections to the database and the bucket."""
        if self.database is not None:
            self.database.close()
        if self.store is not None:
            self.store.close()


def connect(settings: "Settings") -> Services:
    """Return the services that the settings name."""
    store = None
    if settings.artifacts_bucket is not None:
        s3 = aws.client("s3", settings)
        store = Store(s3, settings.artifacts_bucket, settings.artifacts_prefix)
    return Services(database(settings), store)


def database(settings: "Settings", size: int | None = None) -> Database | None:
    """Return the database with a pool of `size`, or as many connections as there are threads."""
    if settings.database_secret_arn is None:
        return None
    read = aws.secret_reader(aws.client("secretsmanager", settings), settings.database_secret_arn)
    logins: Logins = SecretLogins(read, settings.database_name)
    if settings.database_auth == "iam":
        # Settings.from_environ refuses a secret without a region.
        region = cast("str", settings.aws_region)
        logins = TokenLogins(logins, aws.client("rds", settings), region)
    return Database(logins, settings.database_ca_file, size or settings.threads)
