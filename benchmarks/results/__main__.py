"""What the literature's measures get on four zoos: writes docs/results.md, its pictures and its numbers as CSV.

Run with `python -m benchmarks.results`. Values that are kept are not evaluated again; `--kept` evaluates nothing and
writes the page from what there is, which says what is missing; `--only NAME` evaluates these measures and takes the
others' numbers from the file of numbers, for a change of a few measures. All measures on all four zoos take an hour of
one processor or less. Times on the page are the processor's, so that other work on the machine hardly counts.
"""

from pathlib import Path

import click

from benchmarks.results import page, pictures
from benchmarks.results.earlier import with_earlier_rows
from server.commands.common import settings_or_exit
from server.commands.local.baselines import evaluate_all, job_of, sandboxes
from server.commands.local.baselines_scores import as_csv, zoo_scores
from server.commands.local.baselines_values import Keeper, bundle_of
from submissions.baselines import BASELINES
from worker.sandbox.protocol import Limits

ZOOS = ("digits-mlp", "digits-cnn", "digits-bn", "digits-noise")
DOCS = Path(__file__).parents[2] / "docs"


@click.command()
@click.option("--kept", is_flag=True, help="Evaluate nothing; write what the kept values give.")
@click.option("--only", multiple=True, help="A measure to evaluate; the others' rows stay as they are.")
@click.option("--jobs", type=click.IntRange(1), help="Networks evaluated at a time (default: processors).")
@click.option("--values", type=click.Path(file_okay=False, path_type=Path), help="Where values are kept.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=DOCS, help="Instead of docs/.")
def main(kept: bool, only: tuple[str, ...], jobs: int | None, values: Path | None, out: Path) -> None:
    """Evaluate every shipped measure on the four zoos, and write the page of results."""
    settings = settings_or_exit()
    work = [job_of(name, "gap", settings) for name in ZOOS]
    keeper = Keeper((values or settings.cache / "baselines").absolute())
    chosen = [baseline for baseline in BASELINES if not only or baseline.name in only]
    if kept:
        known = [[keeper.read(b, bundle_of(b), job.zoo) for b in chosen] for job in work]
    else:
        with sandboxes(settings, jobs or settings.worker_slots) as pool:
            known = evaluate_all(work, chosen, keeper, pool, Limits())
    results = [
        zoo_scores(job.zoo, job.truth, job.floor, list(zip(chosen, row, strict=True)))
        for job, row in zip(work, known, strict=True)
    ]
    if only:
        results = with_earlier_rows(results, out / "results.csv")
    images = out / "images"
    images.mkdir(parents=True, exist_ok=True)
    pictures.draw(results, images)
    (out / "results.csv").write_text(as_csv(results), encoding="utf-8")
    cards = [(job.zoo.manifest, len(job.zoo.networks)) for job in work]
    (out / "results.md").write_text(page.page(results, cards, only), encoding="utf-8")
    click.echo(f"written: {out / 'results.md'}")


if __name__ == "__main__":
    main()
