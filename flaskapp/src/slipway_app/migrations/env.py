"""What Alembic runs for each command: the migrations, on the connection that it was given."""

from alembic import context

from slipway_app.models import Base

# A transaction each: a migration that fails undoes itself and keeps those before it.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
