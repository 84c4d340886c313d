"""The smoke run's choices: on which public zoo a new submission is tried first, and on which of its networks.

Called where a submission gets its evaluations, and by the submit page, which tells people of it beforehand.
"""

from collections.abc import Mapping

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from submissions.records import PhaseRecord, PhaseZooRecord, ZooRecord, ZooState


def smoke_zoo(session: Session, phase: PhaseRecord) -> ZooRecord | None:
    """The zoo on which the phase's submissions are tried first; None where there is none to try them on.

    The organizer's choice; else the phase's first public zoo; else any public one, those of the same competition
    before others. A zoo that a hidden phase uses is not chosen: trying a measure on it would tell that it exists.
    """
    if phase.smoke_networks == 0:
        return None
    if phase.smoke_zoo_id is not None:
        return session.get_one(ZooRecord, phase.smoke_zoo_id)
    own = session.scalar(
        select(ZooRecord)
        .join(PhaseZooRecord)
        .where(PhaseZooRecord.phase_id == phase.id, ZooRecord.truth_public.is_(True))
        .order_by(PhaseZooRecord.position)
        .limit(1)
    )
    return own or session.scalar(
        select(ZooRecord)
        .where(
            ZooRecord.truth_public.is_(True),
            ZooRecord.state == ZooState.READY,
            ~exists().where(
                PhaseZooRecord.zoo_id == ZooRecord.id,
                PhaseRecord.id == PhaseZooRecord.phase_id,
                PhaseRecord.hidden.is_(True),
            ),
        )
        .order_by(
            exists()
            .where(
                PhaseZooRecord.zoo_id == ZooRecord.id,
                PhaseRecord.id == PhaseZooRecord.phase_id,
                PhaseRecord.competition_id == phase.competition_id,
            )
            .desc(),
            ZooRecord.id,
        )
        .limit(1)
    )


def smoke_networks(weight_bytes: Mapping[str, int], count: int) -> list[str]:
    """Ids of `count` of a zoo's networks, sizes from the smallest to the largest: what depends on size shows early.

    weight_bytes: size of the weights by network id. The same for every submission, so that its author can try the
    same ones at home.
    """
    by_size = sorted(weight_bytes, key=lambda network_id: (weight_bytes[network_id], network_id))
    count = min(count, len(by_size))
    if count == 1:
        return by_size[:1]
    return [by_size[index * (len(by_size) - 1) // (count - 1)] for index in range(count)]
