"""Families of convolutional networks: plain, VGG, network in network, fully convolutional and residual."""

from collections.abc import Sequence

from model_zoo.recipes.families.declaration import Declaration, Layer, Sketch, of_parameters
from model_zoo.recipes.hyperparameters import Hyperparameters

_RESNET_STAGES = 3
_CONVOLUTIONS_OF_A_STAGE = 2 * _RESNET_STAGES


def cnn(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare `depth` blocks of 3×3 convolution, batch norm if `batch_norm`, and ReLU, then a linear classifier.

    The first two blocks end in 2×2 max-pooling, after which the channels double from `width`. Dropout acts on the
    features before the classifier.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `width`, `depth` and `batch_norm`.
    """
    width = int(hyperparameters["width"])
    batch_norm = bool(hyperparameters["batch_norm"])
    sketch = Sketch(input_shape)
    for block in range(int(hyperparameters["depth"])):
        _convolve(sketch, width, batch_norm)
        if block < 2:
            sketch.pool()
            width *= 2
    sketch.flatten()
    sketch.drop()
    sketch.linear(classes)
    return sketch.declaration()


def vgg(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare `num_conv_blocks` blocks of two 3×3 convolutions and 2×2 max-pooling, then dense layers of `dense_width`.

    The last block has `convwidth` channels, and each block half of those of the next. Dropout follows each of the
    `num_dense_layers` dense layers. As in PGDL's tasks 1 and 8.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `convwidth`, `num_conv_blocks`, `dense_width` and `num_dense_layers`.

    Raises
    ------
    ValueError
        If `convwidth` cannot be halved so often.
    """
    convwidth, blocks = int(hyperparameters["convwidth"]), int(hyperparameters["num_conv_blocks"])
    sketch = Sketch(input_shape)
    for block in range(blocks):
        width = convwidth // 2 ** (blocks - 1 - block)
        if width == 0:
            raise ValueError(f"convwidth = {convwidth} cannot be halved {blocks - 1} times")
        _convolve(sketch, width)
        _convolve(sketch, width)
        sketch.pool()
    sketch.flatten()
    for _ in range(int(hyperparameters["num_dense_layers"])):
        _dense(sketch, int(hyperparameters["dense_width"]))
        sketch.drop()
    sketch.linear(classes)
    return sketch.declaration()


def nin(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare a network in network of `depth` / 3 blocks: a 3×3 convolution of stride 2 and two 1×1 convolutions.

    Then follow the mean of each channel, the dense layers that `dense` lists ("256-256"; "" for none) and the linear
    classifier. Dropout follows each block. As in PGDL's tasks 2, 6, 7 and 9.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `width`, `depth` and `dense`.

    Raises
    ------
    ValueError
        If `depth` is not a multiple of 3.
    """
    depth, width = int(hyperparameters["depth"]), int(hyperparameters["width"])
    if depth % 3:
        raise ValueError(f"depth = {depth} must be a multiple of 3: a block has three convolutions")
    sketch = Sketch(input_shape)
    for _ in range(depth // 3):
        _convolve(sketch, width, stride=2)
        _convolve(sketch, width, kernel=1)
        _convolve(sketch, width, kernel=1)
        sketch.drop()
    sketch.global_average()
    for units in filter(None, str(hyperparameters["dense"]).split("-")):
        _dense(sketch, int(units))
    sketch.linear(classes)
    return sketch.declaration()


def fully_conv(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare `depth` 3×3 convolutions at full size, a 1×1 convolution to the classes, and the mean over the image.

    The later half of the layers is twice as wide as the earlier, or the earlier half if `reverse`; the width makes the
    number of parameters closest to `parameters`. Dropout acts before the last convolution. As in PGDL's tasks 4 and 5.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `depth`, `parameters`, `reverse` and `batch_norm`.

    Raises
    ------
    ValueError
        If no width comes within 2 % of `parameters`.
    """
    depth, batch_norm = int(hyperparameters["depth"]), bool(hyperparameters["batch_norm"])
    is_wide = [(2 * layer >= depth) != bool(hyperparameters["reverse"]) for layer in range(depth)]

    def sketch(width: int) -> Sketch:
        drawn = Sketch(input_shape)
        for wide in is_wide:
            _convolve(drawn, width * (2 if wide else 1), batch_norm)
        drawn.drop()
        drawn.convolution(classes, kernel=1)
        drawn.global_average()
        return drawn

    return of_parameters(int(hyperparameters["parameters"]), sketch).declaration()


def resnet(input_shape: Sequence[int], classes: int, hyperparameters: Hyperparameters) -> Declaration:
    """Declare the residual network for CIFAR of [1]_ with `depth` = 6 n + 2, the first stage `width` channels wide.

    Three stages of n blocks of two 3×3 convolutions with batch norm; the second and third stage halve the image and
    double the channels, with a 1×1 convolution as shortcut. Dropout acts on the features before the classifier.

    Parameters
    ----------
    input_shape : sequence of int
        (C, H, W).
    classes : int
    hyperparameters : mapping
        `depth` and `width`.

    Raises
    ------
    ValueError
        If `depth` is not 6 n + 2.

    References
    ----------
    .. [1] He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.
    """
    depth, width = int(hyperparameters["depth"]), int(hyperparameters["width"])
    blocks, rest = divmod(depth - 2, _CONVOLUTIONS_OF_A_STAGE)
    if rest or blocks < 1:
        raise ValueError(f"depth = {depth} must be 6 n + 2: 8, 14, 20 and so on")
    sketch = Sketch(input_shape)
    _convolve(sketch, width, batch_norm=True)
    for stage in range(_RESNET_STAGES):
        for block in range(blocks):
            _residual(sketch, width * 2**stage, 2 if stage and not block else 1)
    sketch.global_average()
    sketch.drop()
    sketch.linear(classes)
    return sketch.declaration()


def _convolve(sketch: Sketch, width: int, batch_norm: bool = False, kernel: int = 3, stride: int = 1) -> None:
    """Add a convolution (with bias unless batch norm follows), batch norm and ReLU."""
    sketch.convolution(width, kernel, stride, bias=not batch_norm)
    if batch_norm:
        sketch.batch_norm()
    sketch.add("relu")


def _dense(sketch: Sketch, units: int) -> None:
    sketch.linear(units)
    sketch.add("relu")


def _residual(sketch: Sketch, width: int, stride: int) -> None:
    """Add a block of two convolutions with a shortcut: the identity, or a 1×1 convolution where the shape changes."""
    body, shortcut = Sketch(sketch.shape), Sketch(sketch.shape)
    _convolve(body, width, batch_norm=True, stride=stride)
    body.convolution(width, bias=False)
    body.batch_norm()
    residual: Layer = {"body": body.layers}
    if body.shape != sketch.shape:
        shortcut.convolution(width, kernel=1, stride=stride, bias=False)
        shortcut.batch_norm()
        residual["shortcut"] = shortcut.layers
    sketch.add("residual", **residual)
    sketch.add("relu")
    sketch.parameters += body.parameters + shortcut.parameters
    sketch.shape = body.shape
