"""What an import is asked for and what it tells, as data that crosses processes. `child` sends it; no torch."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from model_zoo.manifest import Axis, Name, Part, TargetName

Device = Literal["auto", "cpu", "cuda"]


class Wanted(Part):
    """What every import takes. `out`: the zoo's new folder. Texts are for people; see docs/import.md.

    name: None: from the name of the folder that is imported.
    test_size: the number of test examples; found by itself from test data or, at last, from the accuracies.
    with_initial: whether the zoo gets the initial weights. device: where the accuracies are computed again.
    """

    out: Path
    name: Name | None = None
    title: str = Field(default="", max_length=200)
    text: str = ""
    licence: str = ""
    citation: str = ""
    dataset_name: str = ""
    dataset_source: str = ""
    dataset_licence: str = ""
    dataset_text: str = ""
    targets: list[TargetName] = Field(default=["gap"], min_length=1)
    truth_public: bool = False
    test_size: int | None = Field(default=None, ge=1)
    with_initial: bool = True
    device: Device = "auto"


class PgdlRequest(Wanted):
    """A task in PGDL's layout. reference: its model_configs.json or a folder above; None: beside the models."""

    task: Path
    reference: Path | None = None


class TorchRequest(Wanted):
    """A folder of PyTorch weights with a table. architecture: None where the table names one per network.

    train, test: data files; None: train.safetensors or train.npz in the folder, and test.* if there is one.
    """

    folder: Path
    table: Path
    architecture: Path | None = None
    train: Path | None = None
    test: Path | None = None


class ImportReport(Part):
    """What was imported into `folder`. accuracy_difference: the largest between recorded and recomputed ones.

    is_test_size_inferred: nobody said the number of test examples; it is the least that explains the accuracies.
    without_initial: how many networks have no initial weights.
    """

    folder: Path
    name: str
    networks: int
    training_examples: int
    test_examples: int | None
    test_size: int
    is_test_size_inferred: bool
    axes: list[Axis]
    accuracy_difference: float
    without_initial: int

    def sentences(self) -> list[str]:
        """The report for a person, a sentence each."""
        axes = ", ".join(f"{axis.name} ({len(axis.values)})" for axis in self.axes)
        tested = "no test data" if self.test_examples is None else f"{self.test_examples} test examples"
        told = [
            f"{self.networks} networks with {self.training_examples} training examples and {tested}.",
            f"Axes: {axes}.",
            f"Recomputed accuracies differ from the recorded ones by at most {self.accuracy_difference:.2g}.",
        ]
        if self.is_test_size_inferred:
            told.append(
                f"The test accuracies look like shares of {self.test_size} examples; if that is wrong, import again "
                "with the number of test examples."
            )
        if self.without_initial:
            told.append(f"{self.without_initial} networks have no initial weights.")
        return told
