"""`gengap baselines`: lists the shipped measures, and scores them on a zoo in the same sandbox as submissions.

Contains the options, the order of work and the progress bar; `baselines_values` evaluates and stores values,
`baselines_scores` scores them.
"""

import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

import scoring
from model_zoo import Zoo, ZooError
from server.commands.common import find_zoo, settings_or_exit
from server.commands.errors import InputError, ending_with
from server.commands.json_output import as_json as json_option
from server.commands.json_output import print_json
from server.commands.limit_options import limit_options, limits_among
from server.commands.local import baselines_page
from server.commands.local.baselines_scores import Floor, ZooScores, as_csv, as_json, floor, zoo_scores
from server.commands.local.baselines_tables import print_list, print_scores
from server.commands.local.baselines_values import Keeper, Kept, State, bundle_of, evaluate
from server.commands.output_files import write_named
from submissions.baselines import BASELINES, Baseline
from submissions.settings import Settings
from worker.sandbox.pool import SandboxPool, make_pool
from worker.sandbox.protocol import Limits, SandboxError

INCOMPLETE = 1
_WEIGHTS = {"s": 1.0, "m": 6.0, "h": 25.0}  # of a network in the bar: what costs more moves it further
_SPEED_S = 600.0  # over which the time left is estimated; measures differ too much for less
_FILE = click.Path(dir_okay=False, path_type=Path)
_stderr = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Job:
    """A zoo with its truth and its reference scores."""

    zoo: Zoo
    truth: scoring.Truth
    floor: Floor


@click.group()
def command() -> None:
    """List the measures that ship, and evaluate them on zoos."""


@command.command(name="list")
@json_option
def list_baselines(is_json: bool) -> None:
    """List the measures: name, group, source, track and cost (s, m or h: at most 0.2, 2 or 5 s a network)."""
    if is_json:
        listed = ("name", "group", "source", "track", "cost", "needs")
        print_json({"items": [{name: getattr(baseline, name) for name in listed} for baseline in BASELINES]})
    else:
        print_list()


@command.command()
@click.option("--zoo", "zoo_names", required=True, multiple=True, metavar="ZOO", help="A zoo's folder or name.")
@click.option("--all", "is_all", is_flag=True, help="All measures.")
@click.option("--only", "names", multiple=True, metavar="NAME", help="This measure; may be repeated.")
@click.option("--cost", "costs", multiple=True, type=click.Choice(list(_WEIGHTS)), help="All measures of this cost.")
@click.option("--target", default="gap", show_default=True, help="What the values should order, as in a phase.")
@click.option("--jobs", type=click.IntRange(1), help="Networks evaluated at a time (default: processors).")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Where values are stored (default: baselines in the cache folder). Stored values are not computed again.",
)
@click.option("--csv", "csv_file", type=_FILE, metavar="FILE", help="Write the tables as CSV, unrounded.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write everything as JSON, values too.")
@click.option("--html", "html_file", type=_FILE, metavar="FILE", help="Write a page with a picture for each zoo.")
@limit_options(any_positive=True)
def run(
    zoo_names: tuple[str, ...],
    is_all: bool,
    names: tuple[str, ...],
    costs: tuple[str, ...],
    target: str,
    jobs: int | None,
    out: Path | None,
    csv_file: Path | None,
    json_file: Path | None,
    html_file: Path | None,
    **options: float | None,
) -> None:
    """Evaluate shipped measures on zoos and print their scores with those of chance and the hyperparameters.

    If it was interrupted or killed, the same command continues. Exit status: 0 every applicable measure has its values,
    1 some failed, 2 wrong usage.
    """
    chosen = _chosen(is_all, names, costs)
    settings = settings_or_exit()
    work = [job_of(name, target, settings) for name in dict.fromkeys(zoo_names)]
    limits = Limits(**limits_among(options))
    keeper = Keeper((out or settings.cache / "baselines").absolute())
    with sandboxes(settings, jobs or settings.worker_slots) as pool:
        kept = evaluate_all(work, chosen, keeper, pool, limits)
    results = []
    for job, known in zip(work, kept, strict=True):
        results.append(zoo_scores(job.zoo, job.truth, job.floor, list(zip(chosen, known, strict=True))))
        print_scores(results[-1])
    _write(csv_file, lambda: as_csv(results))
    _write(json_file, lambda: json.dumps(as_json(results), allow_nan=False))
    _write(html_file, lambda: baselines_page.page(results))
    raise SystemExit(0 if _is_complete(results) else INCOMPLETE)


def _chosen(is_all: bool, names: Sequence[str], costs: Sequence[str]) -> list[Baseline]:
    """Return the requested measures, in the order of the list."""
    if sum(map(bool, (is_all, names, costs))) != 1:
        raise click.UsageError("Choose measures: --all, or --only NAME, or --cost s|m|h.")
    known = {baseline.name.casefold(): baseline.name for baseline in BASELINES}
    for name in names:
        if name.casefold() not in known:
            close = [known[match] for match in difflib.get_close_matches(name.casefold(), known, n=3)]
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else "see `gengap baselines list`"
            raise InputError(f"There is no shipped measure {name!r}; {hint}")
    wanted = {name.casefold() for name in names}
    return [
        baseline for baseline in BASELINES if is_all or baseline.cost in costs or baseline.name.casefold() in wanted
    ]


def job_of(name: str, target: str, settings: Settings) -> Job:
    """Return the zoo, after checking that it can be scored."""
    with ending_with(InputError, ZooError, scoring.ScoringError):
        zoo = find_zoo(name, settings)
        truth = scoring.Truth.from_gengap(zoo.truth().model_dump(), target)
        return Job(zoo, truth, floor(truth))


@contextmanager
def sandboxes(settings: Settings, slots: int) -> Iterator[SandboxPool]:
    """Return one pool for all measures; all its processes end with the block."""
    try:
        pool = make_pool(settings, slots)
        try:
            yield pool
        finally:
            pool.close()
    except SandboxError as error:
        raise InputError(
            f"The sandbox does not work here ({error}). Run: gengap doctor. The values so far are stored."
        ) from error


def evaluate_all(
    work: Sequence[Job], chosen: Sequence[Baseline], keeper: Keeper, pool: SandboxPool, limits: Limits
) -> list[list[Kept]]:
    """Evaluate each chosen measure on each zoo and return the results. Raises SandboxError."""
    bundles = [bundle_of(baseline) for baseline in chosen]
    known = [[keeper.read(b, u, job.zoo) for b, u in zip(chosen, bundles, strict=True)] for job in work]
    with _progress(work, chosen, known) as told:
        for job, row in zip(work, known, strict=True):
            for place, (baseline, bundle) in enumerate(zip(chosen, bundles, strict=True)):
                if is_settled(row[place]):
                    continue

                def keep(kept: Kept, row: list[Kept] = row, place: int = place) -> None:
                    keeper.write(kept)
                    row[place] = kept
                    told()

                evaluate(row[place], baseline, bundle, job.zoo, pool, limits, keep)
    return known


def is_settled(kept: Kept) -> bool:
    """Check whether there is nothing to evaluate again.

    A failed measure is evaluated again, because more time or memory may help; what a zoo offers is checked again.
    """
    return kept.state is State.COMPLETE or (kept.state is State.REFUSED and kept.reason is not None)


@contextmanager
def _progress(
    work: Sequence[Job], chosen: Sequence[Baseline], known: Sequence[Sequence[Kept]]
) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr: finished measures and networks, time left. Call the result when `known` has changed."""
    cells = [
        (kept, _WEIGHTS[baseline.cost], len(job.zoo.networks))
        for job, row in zip(work, known, strict=True)
        for baseline, kept in zip(chosen, row, strict=True)
    ]
    networks_in_all = sum(networks for _, _, networks in cells)
    kept_weight = _weight_done(work, chosen, known)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[networks]} networks"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_stderr, transient=True, speed_estimate_period=_SPEED_S) as bars:
        total = sum(weight * networks for _, weight, networks in cells) - kept_weight
        task = bars.add_task("", total=total, networks="")

        def tell() -> None:
            now = [kept for row in known for kept in row]
            finished = sum(kept.state in (State.COMPLETE, State.REFUSED, State.FAILED) for kept in now)
            done = sum(len(kept.values) for kept in now)
            bars.update(
                task,
                description=f"{finished}/{len(now)} measures",
                completed=_weight_done(work, chosen, known) - kept_weight,
                networks=f"{done}/{networks_in_all}",
            )

        tell()
        yield tell


def _weight_done(work: Sequence[Job], chosen: Sequence[Baseline], known: Sequence[Sequence[Kept]]) -> float:
    """Return the progress of the bar: a measure that ended without all its values counts as done."""
    return sum(
        _WEIGHTS[baseline.cost]
        * (len(job.zoo.networks) if kept.state in (State.REFUSED, State.FAILED) else len(kept.values))
        for job, row in zip(work, known, strict=True)
        for baseline, kept in zip(chosen, row, strict=True)
    )


def _write(path: Path | None, make: Callable[[], str]) -> None:
    if path is None:
        return
    write_named(path, make().encode())
    _stderr.print(Text(f"written: {path}"))


def _is_complete(results: Sequence[ZooScores]) -> bool:
    return all(row.state in (State.COMPLETE, State.REFUSED) for zoo in results for row in zoo.rows)
