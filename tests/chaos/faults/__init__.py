"""The kinds of faults: each module has those of one part of the installation, in `KINDS`."""

from tests.chaos.faults import brokers, clocks, databases, deploys, files, processes
from tests.chaos.faults.kind import Kind

KINDS: tuple[Kind, ...] = (
    *processes.KINDS,
    *brokers.KINDS,
    *databases.KINDS,
    *files.KINDS,
    *clocks.KINDS,
    *deploys.KINDS,
)


def kinds_on(database: str) -> tuple[Kind, ...]:
    """Those that an installation on SQLite, or on PostgreSQL and Redis, can have."""
    there = {"sqlite"} if database == "sqlite" else {"postgresql", "redis"}
    return tuple(kind for kind in KINDS if not kind.needs or kind.needs in there)
