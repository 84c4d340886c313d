"""The shipped measures: a list, and a page for each with its formula, its results on this server and its code.

Everybody may see these pages, and they tell everybody the same.
"""

from itertools import groupby

from flask import Blueprint, Response, abort, jsonify, make_response, render_template

from server.auth.access import Who, allow
from server.charts.measure_charts import over_zoos
from server.charts.specifications import target_name
from server.config import services
from server.http.headers import conditional
from server.presentation.known_measures import agreement_on, public_results, seconds_on
from submissions.baselines import BASELINES, Baseline
from submissions.baselines.descriptions import description, find_baseline
from submissions.results.known_measures import KnownResult, PublicZoo, ZooResults, phases_for

NEAREST = 5
GROUPS = {
    "size": "Size",
    "norms": "Norms of the weights",
    "output": "Outputs on the training data",
    "flatness": "Flatness of the minimum",
    "gradients": "Gradients",
    "margins": "Margins",
    "robustness": "Robustness to changed inputs",
    "representations": "Representations",
    "spectra": "Spectra of the weights",
    "modules": "Single layers",
    "memorisation": "Memorisation",
    "siblings": "Networks that differ in their seed",
    "unlabelled": "Unlabelled test inputs",
    "trajectory": "The way of the training",
    "competition": "The competition of 2020, exactly as published",
    "references": "References",
}

pages = Blueprint("measures", __name__)
pages.add_app_template_filter(description, "description")
_MEASURE = "/measures/<measure:measure_name>"


@pages.get("/measures")
@allow(Who.VISITOR)
def overview() -> Response:
    listed = public_results()
    grouped = [(GROUPS.get(group, group), list(found)) for group, found in groupby(BASELINES, lambda one: one.group)]
    seconds = [seconds_on(one) for one in listed]
    return conditional(
        lambda: render_template(
            "measures/list.html", groups=grouped, count=len(BASELINES), listed=listed, seconds=seconds
        ),
        *("measures", listed, seconds),
    )


@pages.get(_MEASURE)
@allow(Who.VISITOR)
def show(measure_name: str) -> Response:
    measure = _found(measure_name)
    results = _results(measure)
    seconds = {result.evaluation_id: seconds_on(one)[result.evaluation_id] for one, result in results}
    similar = [(one.zoo, agreement_on(one).similar_to(measure)[:NEAREST]) for one, _ in results]
    text = measure.path.read_text(encoding="utf-8")
    with services().db.read() as session:
        phases = phases_for(session, measure)
    return conditional(
        lambda: render_template(
            "measures/measure.html",
            measure=measure,
            about=description(measure),
            group=GROUPS.get(measure.group, measure.group),
            results=[(one.zoo, result) for one, result in results],
            seconds=seconds,
            similar=[(zoo, nearest) for zoo, nearest in similar if nearest],
            phases=phases,
            code=text,
        ),
        *("measure", measure, text, results, seconds, [(phase.id, phase.title) for phase in phases]),
    )


@pages.get(f"{_MEASURE}/over-zoos.json")
@allow(Who.VISITOR)
def chart(measure_name: str) -> Response:
    """The specification of its CMI and τ on the public zoos."""
    results = _results(_found(measure_name)) or abort(404)
    return jsonify(over_zoos([(zoo_label(one.zoo), result) for one, result in results]))


@pages.get(f"{_MEASURE}/code")
@allow(Who.VISITOR)
def code(measure_name: str) -> Response:
    """Its file, as it is submitted."""
    measure = _found(measure_name)
    response = make_response(measure.path.read_bytes())
    response.mimetype = "text/x-python"
    response.headers["Content-Disposition"] = f'attachment; filename="{measure.filename}"'
    return response


@pages.app_template_filter()
def zoo_label(zoo: PublicZoo) -> str:
    """A zoo's title, with the target where it is not the usual one."""
    return zoo.title if zoo.target == "gap" else f"{zoo.title} ({target_name(zoo.target)})"


def _found(name: str) -> Baseline:
    return find_baseline(name) or abort(404)


def _results(measure: Baseline) -> list[tuple[ZooResults, KnownResult]]:
    return [(one, result) for one in public_results() if (result := one.of(measure)) is not None]
