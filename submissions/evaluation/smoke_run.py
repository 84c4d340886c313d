"""The smoke run's choices: on which public zoo a new submission is tried first, and on which of its networks.

Called where a submission gets its evaluations, and by the submit page, which tells people of it beforehand.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from submissions.storage.records import PhaseRecord, PhaseZooRecord, ZooRecord, ZooState
from submissions.zoos.tracks import missing


def smoke_zoo(session: Session, phase: PhaseRecord, needs: Sequence[str] = ()) -> ZooRecord | None:
    """The zoo on which the phase's submissions are tried first; None where there is none to try them on.

    The organizer's choice; else the phase's first public zoo; else any public one, those of the same competition
    before others. A zoo that a hidden phase uses is not chosen: trying a measure on it would tell that it exists.
    needs: what the measure cannot do without; a zoo that does not offer it is passed over.
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
    others = session.scalars(
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
    )
    return next((zoo for zoos in (own, others) for zoo in zoos if not missing(needs, zoo.offers)), None)


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
