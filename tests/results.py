"""Real scores for submissions that tests write straight to the database: the real scoring of values one may choose.

And a zoo on which every part of a report says something.
"""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import select, update

import scoring
from model_zoo.manifest import NetworkTruth
from submissions.evaluation.score_computation import score_evaluation, submission_error
from submissions.leaderboard import standings
from submissions.storage.records import EvaluationRecord, PhaseRecord, SubmissionRecord, ValueRecord
from tests.records import Records, write_zoo

Measure = Callable[[NetworkTruth, int], float]  # of a network's truth and its place among the sorted ids


# A zoo of 48 networks, where steps along two axes change the gap beyond the noise of its test set.
NOTICEABLE: Mapping[str, Sequence[float]] = {"width": [16, 32], "learning rate": [0.1, 0.5], "seed": list(range(12))}
EFFECT = {"width": 0.2, "learning rate": 0.3}


def noticeable_zoo(records: Records, name: str, *, truth_public: bool = True) -> str:
    """The name of a new zoo, not yet registered, whose sign errors say something."""
    folder = records.folder / "zoos" / name
    write_zoo(folder, name, truth_public=truth_public, axes=NOTICEABLE, effect=EFFECT)
    return name


def the_gap(network: NetworkTruth, place: int) -> float:
    """A perfect measure, but for a little of its own."""
    return network.metrics["train_acc"] - network.metrics["test_acc"] + 0.001 * (place % 5)


def score(records: Records, submission_id: int, measure: Measure = the_gap) -> None:
    """Give a scored submission the values of a measure that knows the truth, and what scoring says of them."""
    with records.db.write() as session:
        submission = session.get_one(SubmissionRecord, submission_id)
        target = session.get_one(PhaseRecord, submission.phase_id).target
        evaluations = session.scalars(
            select(EvaluationRecord).where(
                EvaluationRecord.submission_id == submission_id, EvaluationRecord.attempt == submission.attempt
            )
        ).all()
        for evaluation in evaluations:
            truth = records.zoos.truth(evaluation.zoo.manifest_sha256)
            values = {id_: measure(truth.networks[id_], place) for place, id_ in enumerate(sorted(truth.networks))}
            for network_id, value in values.items():
                of_network = (ValueRecord.evaluation_id == evaluation.id, ValueRecord.network_id == network_id)
                session.execute(update(ValueRecord).where(*of_network).values(value=value))
            for name, told in vars(score_evaluation(truth, target, values)).items():
                setattr(evaluation, name, told)
        submission.score = scoring.competition_score([one.cmi for one in evaluations if one.cmi is not None])
        submission.standard_error = submission_error([one.standard_error for one in evaluations])
        session.flush()
        standings.update(session, submission)
