"""Runs all items of a zoo's check in order: files, data, truth, networks, leaks, cost.

`python -m model_zoo.checks` calls it with torch, `worker.zoo_intake.zoo_check` with a sandbox.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from model_zoo.checks import gaps, grid, leaks
from model_zoo.checks.data import data_items, examples
from model_zoo.checks.estimates import bytes_of, cost, estimated_evaluation_s
from model_zoo.checks.extended import extended_track
from model_zoo.checks.file_digests import Watch, checksums, nothing_unlisted
from model_zoo.checks.measured import Measured, measured_items
from model_zoo.checks.report import CheckReport, Item, Numbers, Verdict, error, ok
from model_zoo.checks.weights import WeightsFound, weight_items, weights_of
from model_zoo.gap_summary import summarize_gaps
from model_zoo.manifest import TRUTH, ZooError, ZooTruth
from model_zoo.zoo import NetworkEntry, Zoo, open_zoo

Measure = Callable[[NetworkEntry], Measured]


def check_folder(
    folder: Path, measurer: Callable[[Zoo], Measure], *, watch: Watch, jobs: int | None = None
) -> CheckReport:
    """Check the zoo in a folder, also if it cannot be opened. The other parameters are those of `check_zoo`.

    Parameters
    ----------
    folder : Path
    measurer : callable
        From the opened zoo to `measured` of `check_zoo`.

    Returns
    -------
    CheckReport
    """
    try:
        zoo = open_zoo(folder)
    except ZooError as fault:
        item = error("opens", f"{fault}.", "Nothing else was looked at. Make, copy or import the zoo again.")
        return CheckReport(zoo=folder.name, title=folder.name, manifest_sha256=None, items=[_inside(folder, item)])
    return check_zoo(zoo, watch=watch, measured=measurer(zoo), jobs=jobs)


def check_zoo(zoo: Zoo, *, watch: Watch, measured: Measure, jobs: int | None = None) -> CheckReport:
    """Check a zoo, without the items that need scoring, which `worker.zoo_intake.check_process` adds.

    If files are damaged, nothing else is read.

    Parameters
    ----------
    zoo : Zoo
    watch : callable
        Called with networks done, networks in total, and a text that says what is being done.
    measured : callable
        Measures one network; called from `jobs` threads.
    jobs : int, optional
        Number of threads, each with one network in memory; default: one per processor.

    Returns
    -------
    CheckReport

    Raises
    ------
    ZooError
        If a file cannot be read. What `measured` raises passes through.
    """
    report = CheckReport(
        zoo=zoo.name,
        title=zoo.manifest.title,
        manifest_sha256=zoo.manifest_sha256,
        targets=zoo.manifest.targets,
        items=[checksums(zoo, watch), nothing_unlisted(zoo)],
        numbers=Numbers(bytes=bytes_of(zoo)),
    )
    if report.items[0].verdict is Verdict.ERROR:
        return report
    truth, truth_item = _truth(zoo)
    watch(0, len(zoo.networks), "data")
    from_data = list(data_items(zoo, None if truth is None else truth.test_size))
    are_data_sound = all(item.verdict is not Verdict.ERROR for item in from_data)
    weights, fits = _networks(zoo, measured if are_data_sound else None, watch, jobs)
    items = [*from_data, truth_item, *weight_items(weights), extended_track(zoo)]
    training = examples(zoo.training_file) if are_data_sound else None
    test = examples(zoo.test_file) if are_data_sound and zoo.test_file is not None else None
    if training is not None:
        items += measured_items(fits, truth, training, test)
    names = dict.fromkeys(["gap", *zoo.manifest.targets])
    targets = {} if truth is None else {name: truth.target(name) for name in names}
    numbers = report.numbers
    if truth is not None:
        items += _truth_items(truth, {name: targets[name] for name in zoo.manifest.targets})
        numbers = _numbers(truth, numbers)
    evaluation_s = estimated_evaluation_s(fits) if fits else None
    items += [*leaks.leak_items(zoo, truth, targets), cost(zoo, evaluation_s)]
    seen = {"training_examples": training, "test_examples": test, "evaluation_s": evaluation_s}
    return report.with_items((_inside(zoo.folder, item) for item in items), numbers.model_copy(update=seen))


def _inside(folder: Path, item: Item) -> Item:
    """Return the item with file names relative to the zoo."""
    text = item.text.replace(f"{folder}/", "").replace(f"{folder}: ", "")
    return item.model_copy(update={"text": text})


def _truth(zoo: Zoo) -> tuple[ZooTruth | None, Item]:
    try:
        truth = zoo.truth()
    except ZooError as fault:
        return None, error("truth", f"{fault}.", f"A zoo needs its {TRUTH}: without it nothing can be scored.")
    names = ", ".join(zoo.manifest.targets)
    return truth, ok("truth", f"The truth has what the targets need for all {len(zoo.networks)} networks: {names}.")


def _truth_items(truth: ZooTruth, targets: Mapping[str, Mapping[str, float]]) -> Iterator[Item]:
    yield grid.complete(truth)
    yield grid.axes(truth)
    for name, values in targets.items():
        yield grid.uncertain_pairs(truth, name, values)
    in_range = gaps.accuracies(truth)
    yield in_range
    for name, values in targets.items():
        if in_range.verdict is Verdict.OK and name in gaps.OF_TEST_ACCURACY:
            yield gaps.spread(name, values, summarize_gaps(truth).standard_error)
        yield gaps.axis_correlations(name, gaps.axis_numbers(truth, values))
    yield gaps.trained_alike(truth)


def _numbers(truth: ZooTruth, numbers: Numbers) -> Numbers:
    found: dict[str, object] = {"networks": gaps.network_numbers(truth), "axes": gaps.axis_numbers(truth, truth.gaps())}
    if gaps.accuracies(truth).verdict is Verdict.OK:
        summary = summarize_gaps(truth)
        found |= {"mean_gap": summary.mean, "std_gap": summary.std, "standard_error": summary.standard_error}
        found["spread"] = summary.spread if summary.standard_error else None
    return numbers.model_copy(update=found)


def _networks(
    zoo: Zoo, measured: Measure | None, watch: Watch, jobs: int | None
) -> tuple[list[WeightsFound], dict[str, Measured]]:
    """Read the weight files and, unless `measured` is None, measure the networks."""
    weights: list[WeightsFound] = []
    fits: dict[str, Measured] = {}

    def look_at(entry: NetworkEntry) -> tuple[list[WeightsFound], Measured | None]:
        return weights_of(entry), None if measured is None else measured(entry)

    total = len(zoo.networks)
    watch(0, total, "networks")
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as executor:
        found = executor.map(look_at, zoo.networks)
        try:
            for done, (entry, (files, fit)) in enumerate(zip(zoo.networks, found, strict=True), start=1):
                weights += files
                if fit is not None:
                    fits[entry.id] = fit
                watch(done, total, "networks")
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
    return weights, fits
