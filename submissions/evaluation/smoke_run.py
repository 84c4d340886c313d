"""The choices of the smoke run: the public zoo on which a new submission is tried first, and the networks.

Called where a submission gets its evaluations, and by the submit page, which announces the zoo.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from submissions.storage.records import PhaseRecord, PhaseZooRecord, ZooRecord, ZooState
from submissions.zoos.related_zoos import may_be_secret
from submissions.zoos.tracks import missing


def smoke_zoo(session: Session, phase: PhaseRecord, needs: Sequence[str] = ()) -> ZooRecord | None:
    """Return the zoo on which the phase's submissions are tried first; None if no zoo is available.

    It is the organizer's choice; else the phase's first public zoo; else any public one, preferring the same
    competition. A zoo of which a version or copy has a hidden truth, or belongs to a hidden phase, is not chosen:
    trying a measure on it would show what is hidden elsewhere.

    Parameters
    ----------
    needs : Sequence[str], optional
        What the measure requires; zoos that do not offer it are skipped.
    """
    if phase.smoke_networks == 0:
        return None
    if phase.smoke_zoo_id is not None:
        chosen = session.get_one(ZooRecord, phase.smoke_zoo_id)
        if not missing(needs, chosen.offers):
            return chosen
    own = session.scalars(
        select(ZooRecord)
        .join(PhaseZooRecord)
        .where(PhaseZooRecord.phase_id == phase.id, ZooRecord.truth_public.is_(True))
        .order_by(PhaseZooRecord.position)
    )
    used = exists().where(PhaseZooRecord.zoo_id == ZooRecord.id, PhaseRecord.id == PhaseZooRecord.phase_id)
    is_near = used.where(PhaseRecord.competition_id == phase.competition_id)
    others = session.scalars(
        select(ZooRecord)
        .where(ZooRecord.truth_public.is_(True), ZooRecord.state == ZooState.READY)
        .order_by(is_near.desc(), ZooRecord.id)
    )
    found = next((zoo for zoo in own if not missing(needs, zoo.offers)), None)
    may_serve = (zoo for zoo in others if not missing(needs, zoo.offers) and not may_be_secret(session, zoo))
    return found or next(may_serve, None)


def smoke_networks(weight_bytes: Mapping[str, int], count: int) -> list[str]:
    """Return the ids of `count` networks whose sizes range from the smallest to the largest, to show limits early.

    The choice is the same for every submission, so that authors can try the same networks locally.

    Parameters
    ----------
    weight_bytes : Mapping[str, int]
        Size of the weights by network id.
    """
    by_size = sorted(weight_bytes, key=lambda network_id: (weight_bytes[network_id], network_id))
    count = min(count, len(by_size))
    if count == 1:
        return by_size[:1]
    return [by_size[index * (len(by_size) - 1) // (count - 1)] for index in range(count)]
