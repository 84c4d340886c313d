"""The measures that participants submit: what each does, and how its submission must end."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from model_zoo import open_zoo
from submissions.storage.states import Reason

_NORM = "sum(float(p.detach().square().sum()) for p in model.parameters())"


@dataclass(frozen=True)
class Measure:
    """A kind of measure. `fails` None: it is scored. `spends_quota`: whether it passes its smoke run.

    body: of complexity(model, dataset), where `norm` is the network's squared norm and `number` that of the submission.
    """

    name: str
    share: float
    body: str
    fails: Reason | None = None
    spends_quota: bool = False

    def source(self, number: int, fingerprint: float) -> str:
        """The source of a submission, different for each; fingerprint: norm of a network that is in no smoke run."""
        return (
            f"import os\nimport time\n\n\ndef complexity(model, dataset):\n    number = {number}\n"
            f"    norm = {_NORM}\n    fingerprint = {fingerprint!r}\n    {self.body}\n    return norm + number\n"
        )


MEASURES = (
    Measure("healthy", 0.60, "pass", spends_quota=True),
    Measure("slow", 0.18, "time.sleep(0.2)", spends_quota=True),
    Measure("raises", 0.05, "raise ValueError(number)", Reason.RAISED),
    Measure("raises late", 0.06, "assert abs(norm - fingerprint) > 1e-3", Reason.RAISED, spends_quota=True),
    Measure("never ends", 0.03, "time.sleep(1000)", Reason.TIME_LIMIT),
    Measure("takes all memory", 0.03, "whole = bytearray(2**30)", Reason.MEMORY_LIMIT),
    Measure("exits", 0.03, "os._exit(3)", Reason.CRASHED),
    Measure("returns nan", 0.02, "return float('nan')", Reason.NOT_FINITE),
)


def norms(zoo: Path) -> Mapping[str, float]:
    """The squared norm of each network of a zoo, which the healthy measures compute."""
    found = {}
    for network in open_zoo(zoo).networks:
        weights = load_file(network.weights)
        found[network.id] = sum(float(np.square(values, dtype=np.float64).sum()) for values in weights.values())
    return found
