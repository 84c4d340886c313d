"""Alembic's entry point: runs the migrations on the connection of `submissions.storage.database`."""

from typing import Literal

from alembic import context

from submissions.storage.records import Record, UtcDateTime


def _render_item(kind: str, item: object, _autogen_context: object) -> str | Literal[False]:
    """Render plain SQL types: migrations are history, and must not name a class that may move."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Record.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
    render_item=_render_item,
)
with context.begin_transaction():
    context.run_migrations()
