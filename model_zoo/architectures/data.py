"""Labelled data as a measure gets them, read from a safetensors file."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from model_zoo.architectures.weights import WeightsError, load_weights


class TrainingData(TensorDataset):
    """Labelled inputs; also a `torch.utils.data.Dataset` of (input, label) pairs.

    Parameters
    ----------
    inputs : torch.Tensor
        float32, (n, C, H, W).
    labels : torch.Tensor
        int64, (n,), from 0 to classes - 1.
    classes : int
        Number of classes.
    """

    def __init__(self, inputs: Tensor, labels: Tensor, classes: int) -> None:
        super().__init__(inputs, labels)
        self.classes = classes

    @property
    def inputs(self) -> Tensor:
        """All inputs: float32 of shape (n, C, H, W)."""
        return self.tensors[0]

    @property
    def labels(self) -> Tensor:
        """All labels: int64 of shape (n,)."""
        return self.tensors[1]

    @property
    def data(self) -> Tensor:
        """The inputs, under the name that torchvision's datasets have for them."""
        return self.inputs

    @property
    def targets(self) -> Tensor:
        """The labels, under the name that torchvision's datasets have for them."""
        return self.labels

    def batches(self, batch_size: int = 256) -> Iterator[tuple[Tensor, Tensor]]:
        """Iterate over (inputs, labels) of at most `batch_size` examples, in order; the last batch may be smaller."""
        return zip(torch.split(self.inputs, batch_size), torch.split(self.labels, batch_size), strict=True)


def load_training_data(fd: int, classes: int) -> TrainingData:
    """Map the labelled data of a safetensors file, without copying.

    Parameters
    ----------
    fd : int
        Open file descriptor; it may be closed afterwards.
    classes : int
        Number of classes.

    Returns
    -------
    TrainingData

    Raises
    ------
    WeightsError
        If the file is damaged or is not labelled data.
    """
    tensors = load_weights(fd)
    if tensors.keys() != {"inputs", "labels"}:
        raise WeightsError(f"data needs the tensors inputs and labels, not {sorted(tensors)}")
    inputs, labels = tensors["inputs"], tensors["labels"]
    if inputs.dtype != torch.float32 or labels.dtype != torch.int64 or labels.ndim != 1:
        raise WeightsError(
            f"inputs must be float32 and labels int64 of shape (n,), not {inputs.dtype} and {labels.dtype} "
            f"of shape {tuple(labels.shape)}"
        )
    if inputs.ndim < 2 or len(inputs) != len(labels) or len(labels) == 0:
        raise WeightsError(f"inputs {tuple(inputs.shape)} and labels {tuple(labels.shape)} do not belong together")
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise WeightsError(f"labels must be from 0 to {classes - 1}, not {int(labels.min())} to {int(labels.max())}")
    return TrainingData(inputs, labels, classes)


def load_inputs(fd: int) -> Tensor:
    """Map the inputs (n, C, H, W) of a file without labels open at `fd`. Raises WeightsError."""
    tensors = load_weights(fd)
    if tensors.keys() != {"inputs"}:
        raise WeightsError(f"unlabelled data needs the tensor inputs alone, not {sorted(tensors)}")
    inputs = tensors["inputs"]
    if inputs.dtype != torch.float32 or inputs.ndim < 2 or len(inputs) == 0:
        raise WeightsError(f"inputs must be float32 and not empty, not {inputs.dtype} of shape {tuple(inputs.shape)}")
    return inputs
