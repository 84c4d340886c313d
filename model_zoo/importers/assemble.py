"""Converts networks of any source to a zoo, which appears complete or not at all.

One network at a time is in memory. Each is written, and its accuracies are computed again and compared with the
recorded ones. A single difference rejects the zoo, after all networks have been examined, so that all differences are
reported.
"""

import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import nn

from model_zoo.importers.accuracy import accuracy, chosen_device, with_weights
from model_zoo.importers.example_count import inferred_test_size
from model_zoo.importers.examples import Examples
from model_zoo.importers.hidden_truth import HiddenTruth
from model_zoo.importers.import_request import ImportReport, Wanted
from model_zoo.manifest import TARGETS, DatasetCard, NetworkTruth, ZooCard, ZooError
from model_zoo.recipes.keys import new_key
from model_zoo.safetensors_writer import Arrays
from model_zoo.writer import ZooWriter, new_zoo, unfinished_prefix

Watch = Callable[[int, int, str], None]

_ROUNDING = 1e-6  # of accuracies computed in float32


@dataclass(frozen=True)
class Candidate:
    """A network to import, `name` in its source; `weights` and `initial` read its arrays when called."""

    name: str
    place: Path
    architecture: Mapping[str, object]
    weights: Callable[[], Arrays]
    initial: Callable[[], Arrays] | None


@dataclass(frozen=True)
class Source:
    """Everything to import.

    Attributes
    ----------
    name : str
        Default name of the zoo; characters that such a name cannot have are replaced.
    candidates : sequence of Candidate
    truth : HiddenTruth
    truth_place : Path
        File of the truth, for messages.
    classes : int
    train, test : callable
        Make the examples, given the path of an unused file for them; `test` may be None.
    """

    name: str
    candidates: Sequence[Candidate]
    truth: HiddenTruth
    truth_place: Path
    classes: int
    train: Callable[[Path], Examples]
    test: Callable[[Path], Examples] | None


def write_zoo(source: Source, wanted: Wanted, watch: Watch) -> ImportReport:
    """Write the zoo `wanted.out` from its source.

    Parameters
    ----------
    source : Source
    wanted : Wanted
    watch : callable
        Called with networks done, networks in total, and a text that says what is being done.

    Returns
    -------
    ImportReport

    Raises
    ------
    ZooError
        If anything is wrong; then no zoo appears.
    """
    device = chosen_device(wanted.device)
    _require_metrics(source, wanted)
    total = len(source.candidates)
    out = wanted.out.absolute()
    key = new_key()
    with _alone_at(out), new_zoo(out) as writer, _spools(out) as spools:
        watch(0, total, "reading the data")
        train = source.train(spools / "train")
        test = source.test(spools / "test") if source.test else None
        for examples in filter(None, (train, test)):
            examples.require_labels_below(source.classes)
        size, is_inferred = _test_size(source, wanted, test)
        writer.training_data(train.inputs, train.labels)
        train.release()
        if test is not None:
            writer.test_data(test.inputs, test.labels)
            test.release()
        difference = _write_networks(writer, source, key.ids(total), train, test, device, watch)
        card = _card(wanted, source, train)
        if not card.truth_public:
            writer.key(key.dump())
        writer.finish(card, source.truth.axes, size)
    return ImportReport(
        folder=out,
        name=card.name,
        networks=total,
        training_examples=len(train),
        test_examples=None if test is None else len(test),
        test_size=size,
        is_test_size_inferred=is_inferred,
        axes=source.truth.axes,
        accuracy_difference=difference,
        without_initial=sum(candidate.initial is None for candidate in source.candidates),
    )


def _write_networks(
    writer: ZooWriter,
    source: Source,
    ids: Sequence[str],
    train: Examples,
    test: Examples | None,
    device: torch.device,
    watch: Watch,
) -> float:
    """Write all networks; return the largest difference of accuracies. Raises ZooError for those too large."""
    total = len(source.candidates)
    seen: dict[bytes, Candidate] = {}
    largest = 0.0
    mismatches: list[str] = []
    for done, (network_id, candidate) in enumerate(sorted(zip(ids, source.candidates, strict=True), key=itemgetter(0))):
        watch(done, total, f"converting network {candidate.name}")
        recorded = source.truth.metrics[candidate.name]
        network = _write_network(writer, network_id, candidate, source.truth, seen, device)
        for metric, examples in (("train_acc", train), ("test_acc", test)):
            if examples is None:
                continue
            report = partial(_report_share, watch, done, total, f"computing {metric} of network {candidate.name}")
            computed = accuracy(network, examples, device, str(candidate.place), report)
            difference = abs(computed - recorded[metric])
            largest = max(largest, difference)
            if difference > 1 / len(examples) + _ROUNDING:
                mismatches.append(
                    f"network {candidate.name}: {metric} {recorded[metric]:.6g}, but it is {computed:.6g}"
                )
        del network  # before the next one is read
    watch(total, total, "finishing")
    if mismatches:
        raise ZooError(
            f"{source.truth_place}: {len(mismatches)} recorded accuracies are not those of the networks, so the "
            "truth or the weights are of other networks, or a layer means something else than this import takes it "
            "for. Nothing was imported.\n" + "\n".join(f"  {mismatch}" for mismatch in mismatches)
        )
    return largest


def _report_share(watch: Watch, done: int, total: int, what: str, percent: int) -> None:
    watch(done, total, f"{what}, {percent} %")


def _write_network(
    writer: ZooWriter,
    network_id: str,
    candidate: Candidate,
    truth: HiddenTruth,
    seen: dict[bytes, Candidate],
    device: torch.device,
) -> nn.Sequential:
    """Write one network's files and return the network; `seen`: digests of weights so far. Raises ZooError."""
    weights = candidate.weights()
    other = seen.setdefault(_digest(weights), candidate)
    if other is not candidate:
        raise ZooError(f"{candidate.place}: the same weights as {other.place}; each network may be there once")
    initial = candidate.initial() if candidate.initial else None
    if initial is not None:
        with_weights(candidate.architecture, initial, device, f"{candidate.place} (initial weights)")
    network = with_weights(candidate.architecture, weights, device, str(candidate.place))
    hidden = NetworkTruth(
        hyperparameters=dict(truth.hyperparameters[candidate.name]),
        metrics=dict(truth.metrics[candidate.name]),
        source=candidate.name,
    )
    writer.network(network_id, candidate.architecture, weights, initial, hidden)
    return network


def _require_metrics(source: Source, wanted: Wanted) -> None:
    """Raise ZooError, before the expensive part, if a network lacks a recorded metric that a target needs."""
    for target in wanted.targets:
        for metric in TARGETS.get(target, (target,)):
            for name, metrics in source.truth.metrics.items():
                if isinstance(metric, str) and metric not in metrics:
                    raise ZooError(
                        f"{source.truth_place}: network {name} has no metric {metric}, which the target {target} needs"
                    )


def _digest(weights: Arrays) -> bytes:
    digest = hashlib.sha256()
    for name, array in weights.items():
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def _test_size(source: Source, wanted: Wanted, test: Examples | None) -> tuple[int, bool]:
    """Return the number of test examples, and whether it is inferred. Raises ZooError where it cannot be."""
    if test is not None:
        if wanted.test_size not in (None, len(test)):
            raise ZooError(f"{test.place}: {len(test)} test examples, but --test-size is {wanted.test_size}")
        return len(test), False
    if wanted.test_size is not None:
        return wanted.test_size, False
    guess = inferred_test_size(metrics["test_acc"] for metrics in source.truth.metrics.values())
    if guess is None:
        raise ZooError(
            f"{source.truth_place}: the number of test examples does not follow from the test accuracies; "
            "say it with --test-size"
        )
    return guess, True


def _card(wanted: Wanted, source: Source, train: Examples) -> ZooCard:
    name = wanted.name or re.sub(r"[^a-z0-9_-]+", "-", source.name.lower()).strip("-_")[:80] or "imported"
    return ZooCard(
        **wanted.model_dump(include={"text", "licence", "citation", "targets", "truth_public"}),
        name=name,
        title=wanted.title or name,
        dataset=DatasetCard(**{field: getattr(wanted, f"dataset_{field}") for field in DatasetCard.model_fields}),
        input_shape=list(train.inputs.shape[1:]),
        classes=source.classes,
    )


@contextmanager
def _spools(out: Path) -> Iterator[Path]:
    """Make a temporary folder beside `out`, named so that the next import removes it if this one is killed."""
    folder = out.parent / f"{unfinished_prefix(out)}data"
    folder.mkdir(mode=0o700)  # test inputs are in it
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone_at(out: Path) -> Iterator[None]:
    """Hold the lock for writing the zoo `out`, and remove what a killed import left there. Raises ZooError.

    The kernel releases the lock of a killed process. The lock file is removed while the lock is held, so after locking
    it must be checked that the file still has its name.
    """
    path = out.parent / f".{out.name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644), "r+")
    except OSError as error:
        raise ZooError(f"{out}: cannot be written: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            raise ZooError(f"{out}: another import writes this zoo now; wait for it, or choose another folder")
        for leftover in out.parent.glob(f"{unfinished_prefix(out)}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
