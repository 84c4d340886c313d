"""The measures that ship with Gengap and the public zoos: what this server has recorded, which everybody may know."""

from collections.abc import Mapping

from flask import abort
from pydantic import Field

from server.api.fields import Answer, Line, Listing, Paging, Query
from server.api.routes import Routes
from server.auth.access import Who, the_phase, the_submission
from server.auth.result_access import board_reader, seen_result
from server.config import services
from server.presentation.known_measures import agreement_on, public_results, results_named, seconds_on, similar_to
from submissions.baselines import BASELINES, Baseline
from submissions.baselines.descriptions import description, find_baseline
from submissions.leaderboard.board_costs import MOST_ROWS, rows_with_costs
from submissions.results.known_measures import KnownResult, ZooResults
from submissions.results.similarity import Similar

routes = Routes(25, "measures", "Measures and zoos", "The shipped measures, and their results on public zoos.")


class MeasureResult(Answer):
    """What a shipped measure got on a public zoo. Scores are from 0 to 100."""

    measure: str = Field(description="The measure's short name")
    zoo: str
    version: int = Field(description="Of the zoo")
    target: str
    submission: int
    is_current: bool = Field(description="Whether its code was the code that ships now")
    score: float
    standard_error: float | None
    kendall_tau: float | None
    tau_error: float | None = Field(description="The standard error of Kendall's τ")
    psi: float | None
    seconds: float = Field(description="Mean wall time of a network")


class Measure(Answer):
    """A measure that ships with Gengap."""

    name: str = Field(description="Its short name, as in addresses")
    title: str
    group: str
    track: str
    needs: list[str] = Field(description="What of the extended track it needs")
    source: str
    cost: str = Field(description="s, m or h: at most 0.2, 2 or 5 seconds for a network of the demo's size")
    summary: str
    results: list[MeasureResult] = Field(
        description="One for each public zoo and target on which it was evaluated here"
    )


class Measures(Listing):
    items: list[Measure]


class SimilarMeasure(Answer):
    """A shipped measure, and Spearman's ρ between its values and those of another measure."""

    measure: str
    rho: float


class SimilarOnZoo(Answer):
    zoo: str
    items: list[SimilarMeasure] = Field(description="The most similar ones first, whether in this or the reverse order")


class MeasureDetail(Measure):
    formula: str
    reference: str = Field(description="The source in full")
    costs: str = Field(description="What it computes")
    higher: str = Field(description="What a higher value means")
    filename: str
    code: str
    similar: list[SimilarOnZoo]


class ZooChance(Answer):
    """Scores from 0 to 100 of random measures and of the hyperparameters alone."""

    random_floor: float
    percentile_95: float = Field(description="Of random measures")
    hyperparameter_oracle: float


class PublicZoo(Answer):
    """The newest version of a zoo with public truth, for one target that a phase predicts."""

    name: str
    version: int
    title: str
    networks: int
    target: str
    chance: ZooChance | None
    results: list[MeasureResult] = Field(description="Best first")


class PublicZoos(Listing):
    items: list[PublicZoo]


class ZooTargets(Answer):
    items: list[PublicZoo] = Field(description="One for each target")


class OfTarget(Query):
    target: Line = Field("", description="A target of the zoo; its first if there is none")


class ZooAgreement(Answer):
    """Spearman's ρ of every two shipped measures over the networks of a zoo."""

    zoo: str
    networks: int = Field(description="Of the zoo, or of a sample")
    measures: list[str] = Field(description="Similar ones are beside each other")
    rho: list[list[float | None]] = Field(description="A row for each measure; null if all values of one are equal")


class BoardCost(Answer):
    submission: int
    name: str
    score: float
    seconds: float = Field(description="Mean wall time of a network on the phase's public zoos")


class BoardCosts(Answer):
    items: list[BoardCost] = Field(description=f"Of the first {MOST_ROWS} rows of the leaderboard")


@routes.get("/measures", Who.VISITOR)
def list_measures(query: Paging) -> Measures:
    """The shipped measures, with what they got on this server's public zoos"""
    listed = public_results()
    return Measures.cut(BASELINES, query, lambda one: Measure(**_measure(one, listed)))


@routes.get("/measures/<measure:measure_name>", Who.VISITOR)
def show_measure(measure_name: str) -> MeasureDetail:
    """A shipped measure with its formula, code, results, and the measures that it resembles"""
    measure = find_baseline(measure_name) or abort(404)
    about, listed = description(measure), public_results()
    similar = [(one, agreement_on(one).similar_to(measure)) for one in listed if one.of(measure)]
    return MeasureDetail(
        **_measure(measure, listed),
        formula=about.formula,
        reference=about.source,
        costs=about.cost,
        higher=about.higher,
        filename=measure.filename,
        code=measure.path.read_text(encoding="utf-8"),
        similar=[SimilarOnZoo(zoo=one.zoo.name, items=_similar(found)) for one, found in similar],
    )


@routes.get("/public-zoos", Who.VISITOR)
def list_zoos(query: Paging) -> PublicZoos:
    """The public zoos, each once for each target, with the shipped measures' results"""
    return PublicZoos.cut(public_results(), query, _zoo)


@routes.get("/public-zoos/<zoo_name:zoo_name>", Who.VISITOR)
def show_zoo(zoo_name: str) -> ZooTargets:
    """A public zoo: chance, the hyperparameters alone, and the shipped measures' results"""
    return ZooTargets(items=[_zoo(one) for one in results_named(zoo_name) or abort(404)])


@routes.get("/public-zoos/<zoo_name:zoo_name>/agreement", Who.VISITOR)
def show_agreement(zoo_name: str, query: OfTarget) -> ZooAgreement:
    """How far the shipped measures agree on the networks of a public zoo"""
    listed = results_named(zoo_name) or abort(404)
    wanted = query.target or listed[0].zoo.target
    found = agreement_on(next((one for one in listed if one.zoo.target == wanted), None) or abort(404))
    return ZooAgreement(
        zoo=zoo_name,
        networks=found.networks,
        measures=[measure.slug for measure in found.measures],
        rho=[list(row) for row in found.rho],
    )


@routes.get("/submissions/<submission:submission_id>/zoos/<zoo_name:zoo_name>/similar", Who.VISITOR)
def show_similar(zoo_name: str) -> SimilarOnZoo:
    """The shipped measures by their similarity to a submission, on a public zoo of which you see its values"""
    seen = seen_result(the_submission()) or abort(404)
    zoo = seen.zoo(zoo_name) or abort(404)
    if not zoo.truth_public or zoo.in_steps:
        abort(404)
    return SimilarOnZoo(zoo=zoo_name, items=_similar(similar_to(the_submission(), seen).get(zoo_name, ())))


@routes.get("/competitions/<competition:competition_slug>/phases/<phase:phase_slug>/leaderboard/costs", Who.VISITOR)
def show_costs() -> BoardCosts:
    """What the first submissions of a leaderboard cost, as far as it may be known"""
    with services().db.read() as session:
        rows = rows_with_costs(session, the_phase(), board_reader())
    return BoardCosts(
        items=[
            BoardCost(submission=row.submission_id, name=row.name, score=row.score, seconds=seconds)
            for row, seconds in rows
        ]
    )


def _measure(measure: Baseline, listed: tuple[ZooResults, ...]) -> dict[str, object]:
    found = [(one, result) for one in listed if (result := one.of(measure)) is not None]
    return {
        "name": measure.slug,
        "title": measure.name,
        "group": measure.group,
        "track": measure.track,
        "needs": list(measure.needs),
        "source": measure.source,
        "cost": measure.cost,
        "summary": description(measure).summary,
        "results": [_result(one, result, seconds_on(one)) for one, result in found],
    }


def _zoo(one: ZooResults) -> PublicZoo:
    seconds = seconds_on(one)
    return PublicZoo.of(
        one.zoo,
        chance=None if one.zoo.chance is None else ZooChance.of(one.zoo.chance),
        results=[_result(one, result, seconds) for result in one.results],
    )


def _result(one: ZooResults, result: KnownResult, seconds: Mapping[int, float]) -> MeasureResult:
    return MeasureResult.of(
        result,
        measure=result.measure.slug,
        zoo=one.zoo.name,
        version=one.zoo.version,
        target=one.zoo.target,
        submission=result.submission_id,
        seconds=seconds[result.evaluation_id],
    )


def _similar(found: tuple[Similar, ...]) -> list[SimilarMeasure]:
    return [SimilarMeasure(measure=one.measure.slug, rho=one.rho) for one in found]
