"""Versions and copies of a zoo: zoos with its name, or with networks of the same ids or weights.

The public truth of one of them is the hidden truth of the others. Called before a zoo is chosen, or used by a phase.
"""

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session, aliased

from submissions.storage.records import ActRecord, PhaseRecord, PhaseZooRecord, ZooNetworkRecord, ZooRecord

_OWN, _OTHER = aliased(ZooNetworkRecord), aliased(ZooNetworkRecord)


def is_related(zoo: ZooRecord) -> ColumnElement[bool]:
    """Return the condition that a zoo is a version or a copy of this one; it is one itself."""
    same = (
        select(_OTHER.zoo_id).join(_OWN, own == other).where(_OWN.zoo_id == zoo.id)
        for own, other in ((_OWN.network_id, _OTHER.network_id), (_OWN.weights_sha256, _OTHER.weights_sha256))
    )
    return or_(ZooRecord.name == zoo.name, *(ZooRecord.id.in_(ids) for ids in same))


def is_used() -> ColumnElement[bool]:
    """Return the condition that a phase uses a zoo, or has used it, or tries submissions on it."""
    link, act = (
        exists().where(one.phase_id == PhaseRecord.id, one.zoo_id == ZooRecord.id).correlate(PhaseRecord, ZooRecord)
        for one in (PhaseZooRecord, ActRecord)
    )
    return or_(link, act, PhaseRecord.smoke_zoo_id == ZooRecord.id)


def may_be_secret(session: Session, zoo: ZooRecord) -> bool:
    """Whether the truth of a version or copy of a zoo is hidden, or it belongs to a phase that is hidden.

    Such a zoo is shown to participants only where organizers decide so.
    """
    in_hidden_phase = exists().where(is_used(), PhaseRecord.hidden.is_(True)).correlate(ZooRecord)
    found = select(ZooRecord.id).where(is_related(zoo), or_(ZooRecord.truth_public.is_(False), in_hidden_phase))
    return session.scalar(found.limit(1)) is not None
