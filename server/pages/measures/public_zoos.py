"""The public zoos: a list, and a page for each with its gaps, its references, and what the shipped measures get on it.

A zoo is public if its truth is, and a phase that everybody sees uses it. Everybody is told the same; the newest version
is shown.
"""

from flask import Blueprint, Response, abort, current_app, jsonify, make_response, render_template, request

from model_zoo import ZooError
from model_zoo.checks.report import CheckReport
from server.auth.access import Who, allow, visible_competitions
from server.charts.measure_charts import Cost, agreement_map, score_against_cost
from server.charts.result_pictures import as_csv
from server.charts.zoo_charts import gap_by_axis
from server.config import services
from server.http.headers import conditional
from server.presentation.known_measures import agreement_on, public_results, results_named, seconds_on
from server.presentation.zoo_cards import ZooCard, gaps_of, zoo_card
from submissions.results.known_measures import PublicZoo, ZooResults
from submissions.results.similarity import Similar
from submissions.storage.site_records import CompetitionRecord, PhaseRecord

pages = Blueprint("public_zoos", __name__)
_ZOO = "/zoos/<zoo_name:zoo_name>"


@pages.get("/zoos")
@allow(Who.VISITOR)
def overview() -> Response:
    listed = public_results()
    zoos = list({one.zoo.name: one for one in reversed(listed)}.values())[::-1]  # each once, with its usual target
    cards = [(one, card) for one in zoos if (card := _card(one.zoo)) is not None]
    return conditional(lambda: render_template("measures/zoos.html", cards=cards), "zoos", cards)


@pages.get(_ZOO)
@allow(Who.VISITOR)
def show(zoo_name: str) -> Response:
    listed = results_named(zoo_name) or abort(404)
    card = _card(listed[0].zoo) or abort(503)
    gaps = gaps_of(services().zoos, listed[0].zoo.manifest_sha256)
    seconds = [seconds_on(one) for one in listed]
    nearest = [_nearest(one) for one in listed]
    phases = _phases(listed)
    return conditional(
        lambda: render_template(
            "measures/zoo.html",
            zoo=listed[0].zoo,
            card=card,
            gaps=gaps,
            listed=list(zip(listed, seconds, nearest, strict=True)),
            phases=phases,
        ),
        *("zoo", listed, seconds, [(phase.id, phase.title) for _, phase in phases]),
    )


@pages.get(f"{_ZOO}/gap-by-axis.json")
@allow(Who.VISITOR)
def axes_chart(zoo_name: str) -> Response:
    """The specification of the gaps at each value of each axis."""
    listed = results_named(zoo_name) or abort(404)
    try:
        numbers = gaps_of(services().zoos, listed[0].zoo.manifest_sha256)
    except ZooError:
        current_app.logger.exception("The zoo %s cannot be charted.", zoo_name)
        abort(404)
    report = CheckReport(zoo=zoo_name, title=zoo_name, manifest_sha256=None, items=[], numbers=numbers)
    return jsonify(gap_by_axis(report))


@pages.get(f"{_ZOO}/scores-and-costs.json")
@allow(Who.VISITOR)
def costs_chart(zoo_name: str) -> Response:
    """The specification of the measures' scores against their costs."""
    one = _results(zoo_name)
    seconds = seconds_on(one)
    costs = [Cost(each.measure.name, "baseline", each.score, seconds[each.evaluation_id]) for each in one.results]
    return jsonify(score_against_cost(costs, one.zoo.chance))


@pages.get(f"{_ZOO}/agreement.json")
@allow(Who.VISITOR)
def agreement_chart(zoo_name: str) -> Response:
    """The specification of the measures' rank correlations."""
    return jsonify(agreement_map(agreement_on(_results(zoo_name))))


@pages.get(f"{_ZOO}/agreement.csv")
@allow(Who.VISITOR)
def agreement_table(zoo_name: str) -> Response:
    """Spearman's ρ of every two measures, as a table."""
    found = agreement_on(_results(zoo_name))
    names = [measure.name for measure in found.measures]
    response = make_response(as_csv(("measure", *names), [(n, *row) for n, row in zip(names, found.rho, strict=True)]))
    response.mimetype = "text/csv"
    response.headers["Content-Disposition"] = f'attachment; filename="agreement-{zoo_name}.csv"'
    return response


def _results(zoo_name: str) -> ZooResults:
    """The results on this zoo for the target that the reader names, or its first; 404 if there are none."""
    listed = results_named(zoo_name) or abort(404)
    wanted = request.args.get("target", listed[0].zoo.target)
    found = next((one for one in listed if one.zoo.target == wanted), None)
    return found if found is not None and found.results else abort(404)


def _card(zoo: PublicZoo) -> ZooCard | None:
    """The zoo's card; None if it cannot be read, which is logged."""
    try:
        return zoo_card(services().zoos, zoo.manifest_sha256, zoo.target)
    except ZooError:
        current_app.logger.exception("The zoo %s cannot be shown.", zoo.name)
        return None


def _nearest(one: ZooResults) -> dict[str, Similar]:
    """For each measure the other one that orders the networks most alike."""
    found = agreement_on(one)
    return {measure.name: alike[0] for measure in found.measures if (alike := found.similar_to(measure))}


def _phases(listed: tuple[ZooResults, ...]) -> list[tuple[CompetitionRecord, PhaseRecord]]:
    """Return the phases that everybody sees and that use the zoo, with their competitions."""
    used = {phase_id for one in listed for phase_id in one.zoo.phase_ids}
    with services().db.read() as session:
        competitions = session.scalars(visible_competitions()).unique().all()
    return [(one, phase) for one in competitions for phase in one.phases if phase.id in used]
