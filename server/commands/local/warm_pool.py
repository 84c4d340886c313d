"""The sandboxes of a local evaluation, started at once with no more than the measure will need."""

from pathlib import Path

from submissions.settings import Settings
from worker.sandbox.pool import SandboxPool, make_pool

NEEDS_MORE = (b"scipy", b"sklearn", b"gengap_measures")  # which itself imports SciPy


def warm_pool(settings: Settings, file: Path | None, jobs: int | None) -> SandboxPool:
    """Return a pool that is being started in the background.

    file: the measure. If it names neither SciPy nor scikit-learn, sandboxes start without them, twice as fast; a wrong
    guess only costs time. jobs: how many sandboxes; by default one for each processor.
    """
    pool = make_pool(settings, jobs or settings.worker_slots, is_lean=file is not None and _is_lean(file))
    pool.warm()
    return pool


def _is_lean(file: Path) -> bool:
    try:
        return file.suffix == ".py" and not any(name in file.read_bytes() for name in NEEDS_MORE)
    except OSError:
        return False
