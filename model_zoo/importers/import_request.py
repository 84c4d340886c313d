"""Requests and reports of imports, as data that is passed between processes."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from model_zoo.manifest import Axis, Name, Part, TargetName

Device = Literal["auto", "cpu", "cuda"]


class Wanted(Part):
    """What is common to all imports; the other fields are texts for people, see docs/import.md.

    Attributes
    ----------
    out : Path
        New folder of the zoo.
    name : str or None
        None: from the name of the imported folder.
    test_size : int or None
        Number of test examples; None: from the test data or, without them, inferred from the accuracies.
    with_initial : bool
        Whether the zoo gets the initial weights.
    device : {"auto", "cpu", "cuda"}
        Where the accuracies are computed.
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
    """Import a PGDL task.

    Attributes
    ----------
    reference : Path or None
        Its model_configs.json or a folder above; None: beside the models.
    with_keras_layers : bool
        Whether measures can see where each of Keras' layers began, dropout included.
    """

    task: Path
    reference: Path | None = None
    with_keras_layers: bool = True


class TorchRequest(Wanted):
    """Import a folder of PyTorch weights with a table.

    Attributes
    ----------
    architecture : Path or None
        None where the table names one per network.
    train, test : Path or None
        Data files; None: train.safetensors or train.npz in the folder, and test.* if it exists.
    """

    folder: Path
    table: Path
    architecture: Path | None = None
    train: Path | None = None
    test: Path | None = None


class ImportReport(Part):
    """Result of an import.

    Attributes
    ----------
    folder : Path
    accuracy_difference : float
        The largest between recorded and computed accuracies.
    is_test_size_inferred : bool
        Whether `test_size` was not given but inferred from the accuracies.
    without_initial : int
        Number of networks without initial weights.
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
        """Describe the result in sentences."""
        axes = ", ".join(f"{axis.name} ({len(axis.values)})" for axis in self.axes)
        tested = "no test data" if self.test_examples is None else f"{self.test_examples} test examples"
        sentences = [
            f"{self.networks} networks with {self.training_examples} training examples and {tested}.",
            f"Axes: {axes}.",
            f"Recomputed accuracies differ from the recorded ones by at most {self.accuracy_difference:.2g}.",
        ]
        if self.is_test_size_inferred:
            sentences.append(
                f"The test accuracies look like shares of {self.test_size} examples; if that is wrong, import again "
                "with the number of test examples."
            )
        if self.without_initial:
            sentences.append(f"{self.without_initial} networks have no initial weights.")
        return sentences
