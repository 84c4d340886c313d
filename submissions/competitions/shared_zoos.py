"""What a phase shows of a zoo that other phases use too. Called before a phase is opened, changed or gets a zoo.

A protection of one phase is worth nothing if another phase over the same hidden zoo shows what it withholds: a measure
can be submitted to both. Versions of a zoo count as the same zoo.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from submissions.competitions.exposure import exposed_by_settings, exposed_by_zoo
from submissions.storage.records import PhaseRecord, PhaseZooRecord, ZooRecord


def exposed_by_use(
    session: Session, zoo: ZooRecord, settings: Mapping[str, Any], phase_id: int | None = None
) -> Iterator[str]:
    """Say what becomes visible when a phase with these settings begins to use a zoo.

    Parameters
    ----------
    settings : Mapping[str, Any]
        Settings of the phase by name.
    phase_id : int or None, optional
        None for a new phase.
    """
    yield from exposed_by_zoo(zoo, settings)
    if zoo.truth_public:
        hiding = [f"{_label(phase)} ({hidden.label})" for phase, hidden in _hide(session, zoo)]
        if hiding:
            yield (
                f"The truth of {zoo.label} is public: everybody can see all targets, all values and all numbers of "
                f"results on it. Phases that hide the truth of a version of this zoo: {', '.join(hiding)}."
            )
    else:
        yield from exposed_to_others(session, [zoo], settings, phase_id)


def exposed_to_others(
    session: Session, zoos: Iterable[ZooRecord], settings: Mapping[str, Any], phase_id: int | None
) -> Iterator[str]:
    """Say what a phase with these settings shows of hidden zoos that another phase withholds.

    Parameters
    ----------
    phase_id : int or None
        None for a new phase.
    """
    for zoo in zoos:
        for other, hidden in () if zoo.truth_public else _hide(session, zoo):
            if other.id == phase_id:
                continue
            theirs = vars(other) | {"hidden": False}  # who cannot see that phase learns nothing of it here
            shown = " ".join(exposed_by_settings(theirs, settings, 1, has_scores=True))
            if shown:
                yield f"The phase {_label(other)} uses {hidden.label} too and withholds what this phase shows: {shown}"


def _hide(session: Session, zoo: ZooRecord) -> Iterator[tuple[PhaseRecord, ZooRecord]]:
    """Yield every phase that hides the truth of a version of the zoo, with this version."""
    query = (
        select(PhaseRecord, ZooRecord)
        .join(PhaseZooRecord, PhaseZooRecord.phase_id == PhaseRecord.id)
        .join(ZooRecord, ZooRecord.id == PhaseZooRecord.zoo_id)
        .where(ZooRecord.name == zoo.name, ~ZooRecord.truth_public)
        .order_by(PhaseRecord.id)
    )
    yield from ((phase, hidden) for phase, hidden in session.execute(query))


def _label(phase: PhaseRecord) -> str:
    return f"{phase.competition.slug}/{phase.slug}"
