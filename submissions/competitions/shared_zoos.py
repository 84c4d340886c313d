"""What a phase shows of a zoo that other phases use too. Called before a phase is opened, changed or gets a zoo.

A protection of one phase is worth nothing if another phase over the same hidden zoo shows what it withholds: a measure
can be submitted to both. Versions and copies of a zoo count as the same zoo. A phase that has left it counts too: what
it withheld is still not shown.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from submissions.competitions.exposure import exposed_by_settings, exposed_by_zoo
from submissions.storage.records import PhaseRecord, ZooRecord
from submissions.zoos.related_zoos import is_related, is_used


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
                f"results on it. Phases that hide the truth of a version or copy of this zoo: {', '.join(hiding)}."
            )
    else:
        if known := dict.fromkeys(one.label for one in session.scalars(_relatives(zoo, truth_public=True))):
            yield (
                f"{zoo.label} has a hidden truth, but that of a version or copy of it is public, and phases have used "
                f"it: {', '.join(known)}. Who has downloaded it knows the targets."
            )
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
    """Yield every phase that hides or has hidden the truth of a version or copy of the zoo, with this one."""
    query = _relatives(zoo, truth_public=False).add_columns(PhaseRecord).order_by(None).order_by(PhaseRecord.id)
    yield from ((phase, hidden) for hidden, phase in session.execute(query))


def _relatives(zoo: ZooRecord, *, truth_public: bool) -> Select[ZooRecord]:
    """Return versions and copies of a zoo with public or hidden truth, once for each phase that uses or used one."""
    of_kind = ZooRecord.truth_public.is_(truth_public)
    return select(ZooRecord).join(PhaseRecord, is_used()).where(of_kind, is_related(zoo)).order_by(ZooRecord.id)


def _label(phase: PhaseRecord) -> str:
    return f"{phase.competition.slug}/{phase.slug}"
