"""Families of architectures: functions from hyperparameters to a declaration. Recipes refer to them by name."""

import re
from collections.abc import Mapping
from typing import Literal

from model_zoo.recipes.families import convolutional, dense, transformer
from model_zoo.recipes.families.declaration import Declaration, Family
from model_zoo.recipes.hyperparameters import FLAG, WHOLE, Hyperparameters, Kind

__all__ = ["FAMILIES", "HYPERPARAMETERS", "Declaration", "Family", "FamilyName", "Hyperparameters"]

FamilyName = Literal["mlp", "mlp_of_parameters", "linear", "cnn", "vgg", "nin", "fully_conv", "resnet", "vit"]

FAMILIES: Mapping[FamilyName, Family] = {
    "mlp": Family(dense.mlp, frozenset({"width", "depth"})),
    "mlp_of_parameters": Family(dense.mlp_of_parameters, frozenset({"parameters", "depth"})),
    "linear": Family(dense.linear, frozenset()),
    "cnn": Family(convolutional.cnn, frozenset({"width", "depth", "batch_norm"})),
    "vgg": Family(convolutional.vgg, frozenset({"convwidth", "num_conv_blocks", "num_dense_layers", "dense_width"})),
    "nin": Family(convolutional.nin, frozenset({"width", "depth", "dense"})),
    "fully_conv": Family(convolutional.fully_conv, frozenset({"parameters", "depth", "reverse", "batch_norm"})),
    "resnet": Family(convolutional.resnet, frozenset({"width", "depth"})),
    "vit": Family(transformer.vit, frozenset({"width", "depth", "heads", "patch"})),
}

_DENSE = re.compile(r"([1-9][0-9]{0,5}(-[1-9][0-9]{0,5})*)?")

HYPERPARAMETERS: Mapping[str, Kind] = {
    **dict.fromkeys(("width", "depth", "parameters", "heads", "patch"), WHOLE),
    **dict.fromkeys(("convwidth", "num_conv_blocks", "num_dense_layers", "dense_width"), WHOLE),
    **dict.fromkeys(("batch_norm", "reverse"), FLAG),
    "dense": Kind(
        "the widths of dense layers such as '256-256', or ''",
        lambda value: isinstance(value, str) and _DENSE.fullmatch(value) is not None,
    ),
}
