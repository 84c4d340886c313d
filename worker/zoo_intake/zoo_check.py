"""Checks a zoo with torch in a child process or, where the zoo has code of its own, in a sandbox.

The jobs on zoos and the commands call `check`. No organizer's code runs outside a sandbox, so such networks are
measured by a small measure of ours, which is evaluated like a participant's.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from model_zoo import NetworkEntry, Zoo, ZooError, open_zoo
from model_zoo.checks.measured import Fit, Measured
from model_zoo.checks.report import CheckReport
from model_zoo.checks.runner import check_zoo
from submissions.settings import Settings
from worker.sandbox.layers.layer_table import missing
from worker.sandbox.pool import SandboxPool, make_pool
from worker.sandbox.protocol import Code, Failure, Limits, NetworkFiles, SandboxError
from worker.zoo_evaluation import network_files
from worker.zoo_intake.check_process import CheckError, Watch, check_in_child, with_references

__all__ = ["CheckError", "check"]

_LIMITS = Limits(wall_s=900.0, memory_bytes=4 * 2**30)
# The share of examples that the network labels correctly. It raises only ValueError on purpose, whose text is reported.
_ACCURACY = b"""
import torch


def complexity(model, dataset):
    right = 0
    with torch.inference_mode():
        for inputs, labels in dataset.batches(250):
            logits = model(inputs)
            if not isinstance(logits, torch.Tensor) or logits.shape != (len(inputs), dataset.classes):
                found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
                raise ValueError(f"{len(inputs)} inputs give {found}, not logits of {(len(inputs), dataset.classes)}.")
            if not torch.isfinite(logits).all():
                raise ValueError("Some logits are nan or infinite.")
            right += int((logits.argmax(dim=1) == labels).sum())
    return right / len(dataset)
"""
_LOADS = b"""
def complexity(model, dataset):
    return 1.0
"""


def check(folder: Path, watch: Watch, settings: Settings) -> CheckReport:
    """Return the whole report of the zoo in `folder`, with references.

    watch: called with the number of checked networks, of all networks, and the current step. Raises CheckError if the
    check itself could not be made.
    """
    try:
        zoo = open_zoo(folder)
    except ZooError:
        return check_in_child(folder, watch)  # its report says why
    if not any(entry.is_custom for entry in zoo.networks):
        return check_in_child(folder, watch)
    pool = make_pool(settings, settings.worker_slots)
    try:
        if lacking := missing(pool.layers(), settings.sandbox_minimum):
            raise CheckError(f"the sandbox lacks {', '.join(lacking)} here; run: gengap doctor")
        measurer = _SandboxMeasurer(zoo, pool)
        report = check_zoo(zoo, watch=watch, measured=measurer, jobs=settings.worker_slots)
        return with_references(folder, report, watch)
    except SandboxError as fault:
        raise CheckError(f"the sandbox does not work here ({fault}); run: gengap doctor") from None
    except ZooError as fault:
        raise CheckError(str(fault)) from None
    finally:
        pool.close()


@dataclass(frozen=True)
class _Fault:
    """An error with a network inside the sandbox."""

    text: str
    is_of_loading: bool


@dataclass(frozen=True)
class _SandboxMeasurer:
    """Evaluates a zoo's networks inside the pool's sandboxes: accuracies, no losses. Safe for several threads."""

    zoo: Zoo
    pool: SandboxPool

    def __call__(self, entry: NetworkEntry) -> Measured:
        files = network_files(self.zoo, entry.id)
        further = [("sibling", path) for path in entry.siblings]
        further += [("trajectory's", path) for _, path in entry.trajectory]
        for role, weights in further:
            if isinstance(found := self._value(_LOADS, replace(files, weights=weights, initial=None)), _Fault):
                return Measured(load_fault=f"The {role} {weights.name}: {found.text}")
        train = self._value(_ACCURACY, files)
        if isinstance(train, _Fault):
            return Measured(load_fault=train.text) if train.is_of_loading else Measured(logits_fault=train.text)
        if self.zoo.test_file is None:
            return Measured(train=train)
        test = self._value(_ACCURACY, replace(files, training_data=self.zoo.test_file))
        return Measured(train, logits_fault=test.text) if isinstance(test, _Fault) else Measured(train, test)

    def _value(self, source: bytes, files: NetworkFiles) -> Fit | _Fault:
        with self.pool.borrow() as sandbox:
            sandbox.start(Code({"complexity.py": source}, "zoo-check"), _LIMITS)
            try:
                outcome = sandbox.evaluate(files, 0)
            except SandboxError as fault:  # sandboxes work here, so it is the zoo's architecture.py or its weights
                return _Fault(str(fault), is_of_loading=True)
        if isinstance(outcome, Failure):
            return _Fault(outcome.message or outcome.detail, is_of_loading=False)
        return Fit(outcome.value, None, outcome.wall_s)
