"""How well the shipped measures agree with their transcriptions on the networks of four zoos: docs/verification.csv.

Run with `python -m tests.baselines.verification`, with names of zoos for these alone; then `make docs`, which writes
the table of docs/measures.md. It trains the zoos that do not exist yet. Tests call the same functions on few networks.
"""

import csv
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import torch
from scipy.stats import kendalltau
from torch import nn

from model_zoo import Zoo, loading, open_zoo
from model_zoo.architectures import Context, Moment, TrainingData
from server.commands.common import make_zoo
from submissions.baselines import BASELINES, FOLDER
from submissions.settings import Settings
from tests.baselines.networks import EXTENDED, seeded, with_initial
from tests.baselines.transcriptions import TRANSCRIPTIONS
from tests.baselines.transcriptions.plain import Case

FILE = Path(__file__).parents[2] / "docs" / "verification.csv"
KINDS = {"dense": ("digits-mlp", "digits-noise"), "convolutional": ("digits-cnn", "digits-bn")}
ZOOS = [zoo for kind in KINDS.values() for zoo in kind]
ORDER = [baseline.name for baseline in BASELINES]
COLUMNS = ("measure", "zoo", "networks", "worst_difference", "kendall_tau")
NETWORKS = 8  # of each zoo
Row = dict[str, str]
SMALLEST = 1e-9  # a value below it counts as this much, so that rounding around zero is no difference


def doubled(network: nn.Module) -> nn.Module:
    """In double precision, its initial one too."""
    initial = cast(nn.Module | None, getattr(network, "initial", None))
    return with_initial(network.double(), None if initial is None else initial.double().eval())


def case_of(zoo: Zoo, network_id: str) -> Case:
    """A network of a zoo, with what the zoo offers to the extended track.

    Where a zoo offers nothing, its other networks of the same architecture stand for siblings and for the network on
    its way, and test inputs for unlabelled ones: formulas do not ask where networks come from.
    """
    entry = zoo.network(network_id)
    data, unlabelled = loading.load_training_data(zoo), loading.load_test_data(zoo).inputs[:100]
    siblings = list(loading.load_siblings(zoo, network_id))
    moments = list(loading.load_trajectory(zoo, network_id))
    if not siblings:
        alike = [one.id for one in zoo.networks if one.architecture == entry.architecture and one.id != network_id]
        siblings = [loading.load_network(zoo, one) for one in alike[:2]]
        moments = [(1.0 + 2 * place, loading.load_network(zoo, one)) for place, one in enumerate(alike[2:4])]
    network = doubled(loading.load_network(zoo, network_id))
    return Case(
        network=network,
        initial=cast(nn.Module, network.initial),
        inputs=data.inputs.double(),
        labels=data.labels,
        classes=data.classes,
        siblings=tuple(doubled(sibling) for sibling in siblings),
        unlabelled=unlabelled.double(),
        moments=tuple((epoch, doubled(moment)) for epoch, moment in moments),
    )


def measured(name: str, case: Case) -> float:
    """The shipped measure's value, torch's generator at 7."""
    moments = tuple(Moment(epoch, network) for epoch, network in case.moments)
    context = Context(case.siblings, case.unlabelled, moments)
    return seeded(name, case.network, TrainingData(case.inputs, case.labels, case.classes), context=context)


def transcribed(formula: Callable[[Case], float], case: Case) -> float:
    """A transcription's value, torch's generator at 7."""
    torch.manual_seed(7)
    with torch.no_grad():
        return formula(case)


def difference(value: float, expected: float) -> float:
    """Relative to the expected one."""
    return abs(value - expected) / max(abs(expected), SMALLEST)


def tau(first: Sequence[float], second: Sequence[float]) -> float:
    """Kendall's τ-b; NaN where one of the two is the same for all networks."""
    return float(kendalltau(first, second).statistic)


def agreement(name: str, cases: Sequence[Case]) -> tuple[float, float | None]:
    """The worst difference from the formula, and τ with the publication; None where the measure is not to differ."""
    entry = TRANSCRIPTIONS[name]
    values = [measured(name, case) for case in cases]
    worst = max(difference(v, transcribed(entry.formula, case)) for v, case in zip(values, cases, strict=True))
    if entry.published is None:
        return worst, None
    return worst, tau(values, [transcribed(entry.published, case) for case in cases])


def rows_of(name: str) -> Iterator[Row]:
    """The lines of a zoo: of the measures of the extended track if it is on it, else of all others."""
    zoo = open_zoo(make_zoo(name, Settings()))
    cases = [case_of(zoo, entry.id) for entry in zoo.networks[:: len(zoo.networks) // NETWORKS][:NETWORKS]]
    for baseline in BASELINES:
        if bool(zoo.networks[0].siblings) == (baseline.name in EXTENDED):
            worst, rank = agreement(baseline.name, cases)
            shown = "" if rank is None else f"{rank:.2f}"
            yield {
                "measure": baseline.name,
                "zoo": name,
                "networks": str(len(cases)),
                "worst_difference": f"{worst:.0e}",
                "kendall_tau": shown,
            }


def kept_rows() -> list[Row]:
    """What the file says."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def main(names: Sequence[str]) -> None:
    """Measure these zoos anew, all by default, and keep what the file says of the others."""
    sys.path.insert(0, str(FOLDER))
    torch.set_num_threads(1)
    for name in names or ZOOS:
        others = [row for row in kept_rows() if row["zoo"] != name] if FILE.is_file() else []
        rows = sorted([*others, *rows_of(name)], key=lambda row: (ZOOS.index(row["zoo"]), ORDER.index(row["measure"])))
        with FILE.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main(sys.argv[1:])
