"""The result part of a submission's page, its pictures, and their downloads.

`submission_result` is called by the page's template; the rest are routes. All of them get their data from one function,
`_result`, which returns only what the reader may see.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, Response, abort, current_app, jsonify, make_response, render_template, request
from markupsafe import Markup

from model_zoo import ZooError
from scoring.plain import plain
from server.auth.access import Who, allow, the_submission
from server.auth.result_access import seen_result
from server.charts.result_pictures import VALUES, Picture, as_csv, pictures, result_rows, values_picture
from server.charts.stored import ready_pictures
from server.config import services
from server.presentation.known_measures import similar_to
from server.presentation.result_sentences import (
    Bullet,
    Scale,
    range_words,
    scale_of,
    similarity_sentence,
    zoo_sentences,
)
from submissions.results.disclosure import Sight, digits_of
from submissions.results.similarity import Similar
from submissions.results.submission_result import Result, ZooResult
from submissions.results.values_and_targets import ZooPoints, zoo_points

LISTED_NETWORKS = 500
LISTED_SIMILAR = 10
_SUBMISSION = "/submissions/<submission:submission_id>"
_ZOO = f"{_SUBMISSION}/zoos/<zoo_name:zoo_name>"

pages = Blueprint("results", __name__)


@dataclass(frozen=True)
class ShownZoo:
    """One zoo on the page: its numbers, what they say, its row's picture and its pictures."""

    zoo: ZooResult
    sentences: tuple[str, ...]
    bullet: Bullet
    axes: tuple[str, ...]  # to colour values by
    pictures: tuple[Picture, ...]
    similar: tuple[Similar, ...]  # the shipped measures that order its networks most alike
    ready: Mapping[str, Markup]  # those that need no script, by key

    @property
    def similarity(self) -> str:
        return similarity_sentence(self.similar)


@dataclass(frozen=True)
class ShownResult:
    """What the page shows of a result. bullet: of the score; None where the reader sees no part of it."""

    result: Result
    scale: Scale
    bullet: Bullet | None
    zoos: tuple[ShownZoo, ...]

    @property
    def in_steps(self) -> bool:
        return self.result.sight is Sight.STEPS

    @property
    def digits(self) -> int:
        """The digits of the scores after the point."""
        return digits_of(self.result.step)


pages.add_app_template_filter(range_words, "ranks")


@pages.app_template_global()
def submission_result() -> ShownResult | None:
    """The result of the submission that the URL names, as far as the reader may see it; None while it has none."""
    found = seen_result(the_submission())
    if found is None:
        return None
    scale = scale_of(found)
    bullet = None
    if found.score is not None:
        bullet = scale.bullet(found.score, found.standard_error, found.floor_mean, None, found.oracle)
    similar = similar_to(the_submission(), found)
    with services().db.read() as session:
        ready = ready_pictures(session, found, [zoo for zoo in found.zoos if not zoo.in_steps])
    shown = [_shown(zoo, found, scale, similar.get(zoo.name, ())[:LISTED_SIMILAR], ready) for zoo in found.zoos]
    return ShownResult(found, scale, bullet, tuple(shown))


@pages.get(f"{_SUBMISSION}/result.json")
@allow(Who.VISITOR)
def as_json(**_named: object) -> Response:
    """Everything that the reader may see of the result."""
    found = _seen()
    response = jsonify(plain(found))
    return _as_file(response, f"submission-{found.submission_id}.json")


@pages.get(f"{_SUBMISSION}/result.csv")
@allow(Who.VISITOR)
def as_table(**_named: object) -> Response:
    """The same, one number a row."""
    found = _seen()
    text = as_csv(("zoo", "metric", "of", "value"), result_rows(found))
    return _csv(text, f"submission-{found.submission_id}.csv")


@pages.get(f"{_ZOO}/drawings/<picture:drawing>.json")
@allow(Who.VISITOR)
def drawing_spec(zoo_name: str, drawing: str, **_named: object) -> Response:
    """The specification that charts.js draws."""
    return jsonify(_picture(zoo_name, drawing).draw())


@pages.get(f"{_ZOO}/drawings/<picture:drawing>/data.json")
@allow(Who.VISITOR)
def drawing_data(zoo_name: str, drawing: str, **_named: object) -> Response:
    """The numbers of a picture as objects."""
    picture = _picture(zoo_name, drawing)
    content = [dict(zip(picture.columns, row, strict=True)) for row in picture.rows]
    return _as_file(jsonify(content), f"{_stem(zoo_name, drawing)}.json")


@pages.get(f"{_ZOO}/drawings/<picture:drawing>/data.csv")
@allow(Who.VISITOR)
def drawing_table(zoo_name: str, drawing: str, **_named: object) -> Response:
    """The numbers of a picture as a table."""
    picture = _picture(zoo_name, drawing)
    return _csv(as_csv(picture.columns, picture.rows), f"{_stem(zoo_name, drawing)}.csv")


@pages.get(f"{_ZOO}/networks")
@allow(Who.VISITOR)
def networks(zoo_name: str, **_named: object) -> str:
    """The values beside a public truth as a page of their own, for readers without the picture."""
    found = _seen()
    points = _points(found, zoo_name)
    return render_template(
        "result/networks.html",
        submission=the_submission(),
        points=points,
        picture=values_picture(points),
        listed=LISTED_NETWORKS,
    )


def _picture(zoo_name: str, drawing: str) -> Picture:
    """The picture that the URL names, if the reader may see it; else 404."""
    found = _seen()
    if drawing == VALUES:
        points = _points(found, zoo_name)
        return values_picture(points, _coloured_by(points))
    zoo = found.zoo(zoo_name)
    chosen = next((picture for picture in pictures(zoo) if picture.key == drawing), None) if zoo is not None else None
    return chosen if chosen is not None else abort(404)


def _seen() -> Result:
    """The result, else 404: where the reader sees nothing of single zoos, there is nothing to draw or to download."""
    found = seen_result(the_submission())
    return found if found is not None and found.sight.tells_zoos else abort(404)


def _points(found: Result, zoo_name: str) -> ZooPoints:
    """Values and targets, else 404; also if the zoo cannot be read, which is logged."""
    try:
        with services().db.read() as session:
            return zoo_points(session, services().zoos, found.submission_id, zoo_name) or abort(404)
    except ZooError:
        current_app.logger.exception("The zoo %s cannot be charted.", zoo_name)
        abort(404)


def _coloured_by(points: ZooPoints) -> int:
    """The axis that the reader wants to see in colours; the first where they name none."""
    wanted = request.args.get("axis", 0, type=int)
    return wanted if 0 <= wanted < len(points.axes) else 0


def _shown(
    zoo: ZooResult,
    found: Result,
    scale: Scale,
    similar: tuple[Similar, ...],
    ready: Mapping[tuple[str, str], Markup],
) -> ShownZoo:
    report = zoo.report
    references = (report.floor_mean, report.floor_95, report.oracle) if report is not None else (None, None, None)
    return ShownZoo(
        zoo=zoo,
        sentences=zoo_sentences(zoo, found.target),
        bullet=scale.bullet(zoo.score, zoo.standard_error, *references),
        axes=tuple(one.axis for one in report.psi_by_axis) if report is not None else (),
        pictures=pictures(zoo),
        similar=similar,
        ready={key: markup for (name, key), markup in ready.items() if name == zoo.name},
    )


def _stem(zoo_name: str, drawing: str) -> str:
    return f"submission-{the_submission().id}-{zoo_name}-{drawing}"


def _csv(text: str, filename: str) -> Response:
    response = make_response(text)
    response.mimetype = "text/csv"
    return _as_file(response, filename)


def _as_file(response: Response, filename: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response
