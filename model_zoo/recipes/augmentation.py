"""The [augmentation] table of a recipe: how examples are changed at random during training."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, model_validator

from model_zoo.manifest import Part

_COLOURS = 3

Policy = Literal["autoaugment-cifar-10"]


class RecipeAugmentation(Part):
    """Random changes of each example in each step: first the policy, then mirroring, then cropping.

    Only the examples of training steps are changed, never the zoo's data or the data that metrics are measured on.

    Attributes
    ----------
    policy : str or None
        A policy of AutoAugment [1]_, applied to the share `policy_share` of the examples.
    policy_share : float
    flip : bool
        Mirror half of the examples left to right.
    crop_padding : int
        Pad by so many zeros on every side, and crop to the original size at a random place.

    References
    ----------
    .. [1] Cubuk et al., "AutoAugment: Learning Augmentation Policies from Data", CVPR 2019.
    """

    policy: Policy | None = None
    policy_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    flip: bool = False
    crop_padding: NonNegativeInt = 0

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.policy is None and not self.flip and not self.crop_padding:
            raise ValueError("it changes nothing; give policy, flip or crop_padding, or leave the table out")
        if self.policy is None and self.policy_share < 1:
            raise ValueError("policy_share is the share of a policy, and there is none")
        return self

    def check(self, input_shape: list[int], has_levels: bool) -> None:
        """Raise ValueError if inputs (C, H, W) cannot be changed so; `has_levels`: they are bytes divided by 255."""
        channels, side = input_shape[0], min(input_shape[1:])
        if side == 1:
            raise ValueError("augmentation needs pictures, and these inputs are vectors")
        if self.crop_padding >= side:
            raise ValueError(
                f"augmentation.crop_padding = {self.crop_padding} must be below the pictures' side, {side}"
            )
        if self.policy is not None and (channels < _COLOURS or not has_levels):
            raise ValueError(f"augmentation.policy = {self.policy} needs a dataset of pictures in colour")
