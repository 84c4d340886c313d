"""The [dataset] table of a recipe: which data, how much of it, and how it is changed."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from model_zoo.manifest import Part

FileDataset = Literal[
    "cifar-10", "cifar-100", "svhn", "fashion-mnist", "cinic-10", "oxford-flowers-102", "oxford-iiit-pet"
]
_SHAPES: dict[FileDataset, tuple[list[int], int]] = {
    "cifar-10": ([3, 32, 32], 10),
    "cifar-100": ([3, 32, 32], 100),
    "svhn": ([3, 32, 32], 10),
    "fashion-mnist": ([1, 28, 28], 10),
    "cinic-10": ([3, 32, 32], 10),
    "oxford-flowers-102": ([3, 32, 32], 102),
    "oxford-iiit-pet": ([3, 32, 32], 37),
}
_Share = Annotated[float, Field(ge=0, lt=1)]


class RecipeShift(Part):
    """The shifted test set of the metric `ood_acc`.

    Attributes
    ----------
    kind : str
        "rotation" turns the images by `amount` degrees; "noise" adds Gaussian noise of standard deviation `amount`;
        "label_shift" draws the test set again with unequal classes, each (1 - amount) times as frequent as the one
        before.
    amount : float
    """

    kind: Literal["rotation", "noise", "label_shift"]
    amount: PositiveFloat

    @model_validator(mode="after")
    def _amount_is_possible(self) -> Self:
        if self.kind == "label_shift" and self.amount >= 1:
            raise ValueError("amount of a label_shift must be below 1")
        return self


class _Data(Part, ABC):
    """What all datasets have in common. None as training_size or test_size means all examples."""

    training_size: PositiveInt | None = None
    test_size: PositiveInt | None = None
    label_noise: _Share = 0.0
    shift: RecipeShift | None = None
    has_levels: ClassVar[bool] = False  # whether every input value is a whole number from 0 to 255, divided by 255

    @property
    @abstractmethod
    def input_shape(self) -> list[int]:
        """Shape (C, H, W) of one input."""

    @property
    @abstractmethod
    def classes(self) -> int:
        """Number of classes."""

    @model_validator(mode="after")
    def _only_pictures_turn(self) -> Self:
        if self.shift is not None and self.shift.kind == "rotation" and min(self.input_shape[1:]) == 1:
            raise ValueError("shift.kind = rotation needs pictures, and these inputs are vectors")
        return self


class DigitsData(_Data):
    """scikit-learn's 1797 digits of 8×8 pixels; what is not used for training is the test set."""

    name: Literal["digits"]
    training_size: PositiveInt

    input_shape: ClassVar[list[int]] = [1, 8, 8]
    classes: ClassVar[int] = 10


class _Synthetic(_Data):
    """Random vectors of `dimension` numbers; both sizes must be given."""

    training_size: PositiveInt
    test_size: PositiveInt
    dimension: PositiveInt

    @property
    def input_shape(self) -> list[int]:
        return [1, 1, self.dimension]


class _SyntheticClasses(_Synthetic):
    number_of_classes: Annotated[int, Field(ge=2, alias="classes")]

    @property
    def classes(self) -> int:
        return self.number_of_classes


class TeacherData(_SyntheticClasses):
    """Standard normal vectors, labelled by a random ReLU network with hidden layers of `teacher_width` units."""

    name: Literal["teacher"]
    teacher_width: PositiveInt = 32
    teacher_depth: PositiveInt = 1


class MixtureData(_SyntheticClasses):
    """Each class is a mixture of `modes` normal distributions of variance 1 whose centres are `separation` from 0."""

    name: Literal["gaussian-mixture"]
    modes: PositiveInt = 1
    separation: PositiveFloat


class LinearData(_Synthetic):
    """Standard normal vectors x with label 1 where u·x + noise · e > 0: u is a random unit vector, e standard normal.

    The true risk of a linear network on it is known in closed form.
    """

    name: Literal["noisy-linear"]
    noise: NonNegativeFloat
    classes: ClassVar[int] = 2


class FileData(_Data):
    """A dataset in the files of its distributor, with its own split into training and test set.

    `trimap`: Oxford pets get a fourth channel that separates the animal from the background.
    """

    name: FileDataset
    trimap: bool = False
    has_levels: ClassVar[bool] = True

    @model_validator(mode="after")
    def _only_pets_have_trimaps(self) -> Self:
        if self.trimap and self.name != "oxford-iiit-pet":
            raise ValueError("trimap is for oxford-iiit-pet, whose annotations have them")
        return self

    @property
    def input_shape(self) -> list[int]:
        """Shape (C, H, W) of one input."""
        channels, height, width = _SHAPES[self.name][0]
        return [channels + self.trimap, height, width]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return _SHAPES[self.name][1]


RecipeDataset = DigitsData | TeacherData | MixtureData | LinearData | FileData
