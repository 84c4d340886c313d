"""The family of small vision transformers."""

from collections.abc import Sequence

from model_zoo.recipes.families.declaration import Declaration, Sketch
from model_zoo.recipes.hyperparameters import Hyperparameters

_MLP_RATIO = 2


def vit(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare a vision transformer on `patch`×`patch` pixels, with `depth` pre-norm blocks of `width` features.

    A block is attention with `heads` heads and an MLP twice as wide with GELU, each with a residual connection. Then
    follow layer norm, the mean over the tokens, where dropout acts, and the linear classifier.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `width`, `heads`, `patch` and `depth`.

    Raises
    ------
    ValueError
        If `patch` does not divide the image, or `heads` the width.
    """
    width, heads, patch = (int(hyperparameters[name]) for name in ("width", "heads", "patch"))
    _, rows, columns = input_shape
    if rows % patch or columns % patch:
        raise ValueError(f"patch = {patch} does not divide images of {rows}×{columns} pixels")
    if width % heads:
        raise ValueError(f"width = {width} must be a multiple of heads = {heads}")
    tokens = (rows // patch) * (columns // patch)
    sketch = Sketch(input_shape)
    sketch.add("patches", inputs=input_shape[0], outputs=width, kernel=patch)
    sketch.add("positions", tokens=tokens, features=width)
    sketch.shape = (tokens, width)
    norm = {"type": "layernorm", "features": width}
    for _ in range(int(hyperparameters["depth"])):
        sketch.add("residual", body=[norm, {"type": "attention", "features": width, "heads": heads}])
        sketch.add(
            "residual",
            body=[
                norm,
                {"type": "linear", "inputs": width, "outputs": _MLP_RATIO * width},
                {"type": "gelu"},
                {"type": "linear", "inputs": _MLP_RATIO * width, "outputs": width},
            ],
        )
    sketch.add("layernorm", features=width)
    sketch.add("meantokens")
    sketch.shape = (width,)
    sketch.drop()
    sketch.linear(classes)
    return sketch.declaration()
