"""Comparing two submissions of one phase: which one is better, and whether by more than chance."""

from dataclasses import dataclass

from flask import Blueprint, Response, abort, current_app, jsonify, render_template

from model_zoo import ZooError
from server.auth.access import Who, allow, submission_named
from server.auth.login import current_account
from server.auth.result_access import board_reader, seen_result
from server.charts.result_charts import first_against_second
from server.config import services
from server.presentation.result_sentences import difference_sentence, p_words
from submissions.leaderboard.comparison import Compared, Offered, Pairs, compared, leading_offers, own_offers, pairs
from submissions.results.disclosure import Sight
from submissions.results.submission_result import Result
from submissions.storage.submission_head import SubmissionHead

pages = Blueprint("compare", __name__)
pages.add_app_template_filter(p_words, "p_words")


@dataclass(frozen=True)
class Choice:
    """What the form offers: the reader's own submissions and the first of the leaderboard."""

    own: tuple[Offered, ...]
    leading: tuple[Offered, ...]


@pages.get("/compare")
@allow(Who.VISITOR, submissions_in_query=("a", "b"))
def show() -> str:
    """The form, and once both are chosen their comparison."""
    first, second = submission_named("a"), submission_named("b")
    if first is None:
        return render_template("submission/compare.html", first=None)
    refusal, found = _compared(first, second) if second is not None else (_refusal(first), None)
    return render_template(
        "submission/compare.html",
        first=first,
        second=second,
        phase=first.phase,
        choice=_choice(first, second),
        refusal=refusal,
        compared=found,
        names=_names(first, second) if second is not None else (first.name,),
        sentence=_sentence(found, _names(first, second)) if found is not None and second is not None else None,
        charted=[zoo for zoo in found.zoos if zoo.first.truth_public] if found is not None else [],
    )


@pages.get("/compare/<zoo_name:zoo_name>.json")
@allow(Who.VISITOR, submissions_in_query=("a", "b"))
def chart(zoo_name: str) -> Response:
    """The specification of both measures' values on one zoo whose truth is public."""
    first, second = submission_named("a"), submission_named("b")
    if first is None or second is None:
        abort(404)
    _, found = _compared(first, second)
    points = None if found is None else _pairs(found.first, found.second, zoo_name)
    if points is None:
        abort(404)
    return jsonify(first_against_second(points.rows, _names(first, second), points.target))


def _refusal(submission: SubmissionHead) -> str | None:
    """Why this submission cannot be compared with any; None where it can."""
    found = seen_result(submission)
    if found is None:
        return f"{submission.name} has no score yet, so there is nothing to compare."
    if found.sight is not Sight.ALL:
        return f"The scores of {submission.name} are not shown in full, so it cannot be compared."
    return None


def _compared(first: SubmissionHead, second: SubmissionHead) -> tuple[str | None, Compared | None]:
    """The comparison, or why there is none."""
    if first.phase_id != second.phase_id:
        return "The submissions are in different phases; only results on the same networks compare.", None
    refusal = _refusal(first) or _refusal(second)
    results = seen_result(first), seen_result(second)
    if refusal is not None or results[0] is None or results[1] is None:
        return refusal, None
    with services().db.read() as session:
        return None, compared(session, results[0], results[1])


def _choice(first: SubmissionHead, second: SubmissionHead | None) -> Choice:
    """Without the ones that are chosen already."""
    account = current_account()
    taken = {first.id} | ({second.id} if second is not None else set())
    with services().db.read() as session:
        own = own_offers(session, first.phase_id, account.id, board_reader()) if account is not None else ()
        leading = leading_offers(session, first.phase_id, board_reader())
    own = tuple(one for one in own if one.submission_id not in taken)
    taken |= {one.submission_id for one in own}
    return Choice(own, tuple(one for one in leading if one.submission_id not in taken))


def _pairs(first: Result, second: Result, zoo_name: str) -> Pairs | None:
    """Both measures' values; None also if the zoo cannot be read, which is logged."""
    try:
        with services().db.read() as session:
            return pairs(session, services().zoos, first, second, zoo_name)
    except ZooError:
        current_app.logger.exception("The zoo %s cannot be charted.", zoo_name)
        return None


def _sentence(found: Compared, names: tuple[str, str]) -> str:
    if found.difference is None:
        return "The difference cannot be tested yet: a worker must first add the data for the test."
    return difference_sentence(*names, found.difference)


def _names(first: SubmissionHead, second: SubmissionHead) -> tuple[str, str]:
    """What to call the two, apart also where they have one name."""
    if first.name != second.name:
        return first.name, second.name
    return f"{first.name} (#{first.id})", f"{second.name} (#{second.id})"
