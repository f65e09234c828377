"""Run by Alembic for each command, on the connection that `lastword.storage.schema` hands over."""

import sqlalchemy as sa
from alembic import context

from lastword.storage.migrations import VERSION_TABLE


def run_migrations(connection: sa.Connection) -> None:
    """Run what the command asks for inside the transaction that the caller holds."""
    context.configure(
        connection=connection,
        version_table=VERSION_TABLE,
        transactional_ddl=True,  # on SQLite too, since the caller began the transaction itself
    )
    with context.begin_transaction():
        context.run_migrations()


run_migrations(context.config.attributes["connection"])
