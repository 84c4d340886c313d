"""`gengap evaluate`: evaluates a measure on a zoo, in the same sandbox and with the same scoring as the server."""

import json
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

import scoring
from model_zoo import Zoo, ZooError
from server.commands.bars import bars
from server.commands.common import find_zoo, settings_or_exit
from server.commands.errors import InputError, ending_with
from server.commands.limit_options import limit_options, limits_among
from server.commands.local.score_tables import print_report
from submissions.intake.bundle import BundleError, BundleLimits, read_bundle
from submissions.settings import Settings
from submissions.storage.states import SENTENCES, Reason, State
from submissions.zoos import tracks
from worker.evaluator import evaluate_zoo
from worker.failures import describe
from worker.sandbox.pool import make_pool
from worker.sandbox.protocol import Code, Failure, Limits, Outcome, SandboxError

MEASURE_FAILED = 1
_console = Console(stderr=True)


@dataclass(frozen=True)
class Evaluated:
    """The output of `--json`. Scores are null unless `state` is scored; `values` maps network id to value.

    score, standard_error: from 0 to 100; cmi: from 0 to 1. standard_error is null also if the jackknife is undefined.
    """

    zoo: str
    state: State
    reason: Reason | None
    detail: str | None
    score: float | None
    standard_error: float | None
    cmi: float | None
    kendall_tau: float | None
    networks: int
    values: dict[str, float]
    seconds: float


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--zoo", "zoo_name", required=True, help="A zoo folder, or the name of a zoo, e.g. digits-mlp.")
@click.option("--target", default="gap", show_default=True, help="What the values should order, as in a phase.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")
@click.option("--jobs", type=click.IntRange(1), help="Networks evaluated at a time (default: processors).")
@limit_options(any_positive=True)
def command(file: Path, zoo_name: str, target: str, as_json: bool, jobs: int | None, **options: float | None) -> None:
    """Evaluate the measure in FILE (.py or .zip) on a zoo. Exit status: 0 scored, 1 the measure failed."""
    settings = settings_or_exit()
    with ending_with(InputError, ZooError, scoring.ScoringError):
        zoo = find_zoo(zoo_name, settings)
        truth = scoring.Truth.from_gengap(zoo.truth().model_dump(), target)
    limits = Limits(**limits_among(options))
    result, report = _evaluate(file, zoo, truth, limits, settings, jobs or settings.worker_slots)
    if as_json:
        click.echo(json.dumps(asdict(result), allow_nan=False))
    else:
        _print(result, report, truth)
    raise SystemExit(0 if result.state is State.SCORED else MEASURE_FAILED)


def _evaluate(
    file: Path, zoo: Zoo, truth: scoring.Truth, limits: Limits, settings: Settings, jobs: int
) -> tuple[Evaluated, scoring.ZooReport | None]:
    begin = time.monotonic()
    values: dict[str, float] = {}

    def result(
        state: State,
        *,
        reason: Reason | None = None,
        detail: str | None = None,
        report: scoring.ZooReport | None = None,
    ) -> tuple[Evaluated, scoring.ZooReport | None]:
        evaluated = Evaluated(
            zoo=zoo.name,
            state=state,
            reason=reason,
            detail=detail,
            score=report.score if report else None,
            standard_error=report.standard_error if report else None,
            cmi=report.cmi.minimum if report else None,
            kendall_tau=report.kendall.tau_a if report else None,
            networks=len(zoo.networks),
            values=values,
            seconds=round(time.monotonic() - begin, 3),
        )
        return evaluated, report

    try:
        bundle = read_bundle(file.name, file.read_bytes(), BundleLimits.of(settings))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except BundleError as error:
        if error.reason is None:
            raise InputError(str(error)) from error
        return result(State.FAILED, reason=error.reason, detail=str(error))
    if (refusal := tracks.refusal(bundle.needs, [(zoo.name, zoo.offers)])) is not None:
        raise InputError(refusal)
    pool = make_pool(settings, jobs)
    outcomes = evaluate_zoo(pool, zoo, Code(bundle.files, bundle.sha256, bundle.track), limits, slots=jobs)
    try:
        failure = _collect(outcomes, values, zoo)
    except SandboxError as error:
        raise InputError(f"The sandbox does not work here ({error}). Run: gengap doctor") from error
    finally:
        outcomes.close()
        pool.close()
    if failure is not None:
        return result(State.FAILED, reason=failure.reason, detail=describe(failure))
    return result(State.SCORED, report=scoring.report(truth, values))


def _collect(outcomes: Generator[tuple[str, Outcome]], values: dict[str, float], zoo: Zoo) -> Failure | None:
    """Fill `values`, showing a progress bar on stderr; return the first failure, if any."""
    with bars(BarColumn(), MofNCompleteColumn(), TextColumn("networks"), TimeElapsedColumn()) as tell:
        tell(zoo.name, 0, len(zoo.networks))
        for network_id, outcome in outcomes:
            if isinstance(outcome, Failure):
                return outcome
            values[network_id] = outcome.value
            tell(zoo.name, len(values), len(zoo.networks))
    return None


def _print(result: Evaluated, report: scoring.ZooReport | None, truth: scoring.Truth) -> None:
    if result.reason is not None:
        _console.print(f"[bold red]failed[/] {result.reason}: {SENTENCES[result.reason]}")
        _console.print(result.detail or "", markup=False, highlight=False)
        return
    Console().print(f"{result.zoo}: {result.networks} networks in {result.seconds:.1f} s")
    if report is not None:
        print_report(report, truth)
