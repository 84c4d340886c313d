"""Results: all that is known of a scored submission, as far as the reader may see it, and two of them compared."""

from flask import abort, current_app
from pydantic import Field, RootModel

from model_zoo import ZooError
from server.api.fields import Answer
from server.api.routes import Routes
from server.auth.access import Who, submission_named, the_submission
from server.auth.result_access import seen_result
from server.config import services
from server.problems import Problem
from submissions.evaluation.eta import estimate
from submissions.leaderboard.comparison import Compared, compared
from submissions.results.disclosure import Sight
from submissions.results.submission_result import Result
from submissions.results.values_and_targets import zoo_points
from submissions.storage.submission_head import SubmissionHead

routes = Routes(50, "results", "Results", "Scores with their uncertainty, and comparisons.")


class SubmissionResult(RootModel[Result]):
    """A scored submission as far as you may know it."""


class SubmissionComparison(RootModel[Compared]):
    """Two submissions of a phase, with the paired test of their scores."""


class NetworkValue(Answer):
    """One network: what the measure returned, what it should predict, and how the network was trained."""

    network: str
    value: float
    truth: float
    hyperparameters: dict[str, bool | int | float | str]


class ZooValues(Answer):
    """A submission's values beside the truth of a zoo that is public."""

    zoo: str
    target: str
    axes: list[str]
    items: list[NetworkValue]


class Forecast(Answer):
    """When a submission's turn comes, roughly. All null where it has ended."""

    place: int | None
    begins_s: float | None
    ends_s: float | None
    is_more: bool = Field(description="Place and seconds are the least that it can be")


_SUBMISSION = "/submissions/<submission:submission_id>"


@routes.get(f"{_SUBMISSION}/result", Who.VISITOR, conflicts=True)
def show() -> SubmissionResult:
    """A submission's scores with their uncertainty, and what its pictures are made of

    `sight` says how much of it you see. 409 while it has no score."""
    found = seen_result(the_submission())
    if found is None:
        raise Problem(409, "The submission has no score.")
    return SubmissionResult(found)


@routes.get(f"{_SUBMISSION}/zoos/<zoo_name:zoo_name>/values", Who.VISITOR, may_lack=True)
def show_values(zoo_name: str) -> ZooValues:
    """A submission's values beside the truth, on a zoo whose truth is public"""
    seen = seen_result(the_submission())
    if seen is None or not seen.sight.tells_zoos:
        abort(404)
    try:
        with services().db.read() as session:
            found = zoo_points(session, services().zoos, seen.submission_id, zoo_name)
    except ZooError:
        current_app.logger.exception("The truth of the zoo %s cannot be read.", zoo_name)
        raise Problem(503, "The zoo's truth cannot be read now.") from None
    if found is None:
        abort(404)
    items = [NetworkValue.of(one, network=one.network_id) for one in found.points]
    return ZooValues.of(found, zoo=found.zoo_name, items=items)


@routes.get(f"{_SUBMISSION}/comparison/<submission:other_id>", Who.VISITOR, conflicts=True)
def compare() -> SubmissionComparison:
    """Two submissions of one phase side by side: is one better by more than chance?"""
    first, second = the_submission(), submission_named("other_id")
    assert second is not None
    if first.phase_id != second.phase_id:
        raise Problem(409, "The submissions are in different phases; only results on the same networks compare.")
    ours, theirs = _in_full(first), _in_full(second)
    with services().db.read() as session:
        return SubmissionComparison(compared(session, ours, theirs))


@routes.get(f"{_SUBMISSION}/forecast", Who.VISITOR)
def show_forecast() -> Forecast:
    """A waiting submission's place in the queue, and in how many seconds it begins and is through"""
    with services().db.read() as session:
        found = estimate(session, the_submission(), sweep_s=services().settings.sweep_s)
    if found is None:
        return Forecast(place=None, begins_s=None, ends_s=None, is_more=False)
    return Forecast.of(found)


def _in_full(submission: SubmissionHead) -> Result:
    found = seen_result(submission)
    if found is None:
        raise Problem(409, f"Submission {submission.id} has no score yet, so there is nothing to compare.")
    if found.sight is not Sight.ALL:
        raise Problem(409, f"The scores of submission {submission.id} are not shown in full, so it cannot be compared.")
    return found
