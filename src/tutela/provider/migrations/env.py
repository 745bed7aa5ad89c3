"""Runs the migrations on the connection that `tutela.provider.database` hands over."""

from __future__ import annotations

from alembic import context

from tutela.provider.reports import tables as _reports
from tutela.provider.review import tables as _review
from tutela.provider.tables import Base

#: All tables must have been declared before they are compared with the migrations.
_ROOMS = (_reports, _review)


def run() -> None:
    connection = context.config.attributes.get("connection")
    if connection is None:
        # `alembic … --sql`: print the statements for the dialect that is asked for.
        context.configure(
            dialect_name=context.config.get_main_option("dialect"), target_metadata=Base.metadata, literal_binds=True
        )
    else:
        # Batch mode: SQLite cannot alter a table in place.
        context.configure(connection=connection, target_metadata=Base.metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


run()
