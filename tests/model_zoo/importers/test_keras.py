"""Networks of Keras' layers against TensorFlow's own outputs, and against the same layers written out plainly."""

import json
import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_zoo import ZooError, open_zoo
from model_zoo.architectures import build
from model_zoo.importers.accuracy import logits, with_weights
from model_zoo.importers.import_request import PgdlRequest
from model_zoo.importers.pgdl import import_pgdl
from model_zoo.importers.tensorflow_files.keras import read_network
from model_zoo.importers.tensorflow_files.keras_layers import LAYERS
from model_zoo.loading import load_network, load_training_data
from tests.model_zoo.importers.keras_plain import Float, Layer, Shape, forward, random_arrays
from tests.model_zoo.importers.tasks import unwatched, write_weights

SAMPLE = Path(__file__).parents[3].parent / "shared" / "data" / "pgdl_sample"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sample() -> Path:
    """A task in PGDL's layout that genuine TensorFlow wrote. Skips the test where it is absent, but fails it in CI."""
    if not SAMPLE.exists():
        message = "the folder shared/data/pgdl_sample is not beside the repository"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return SAMPLE


def test_every_logit_of_the_sample_is_tensorflows(sample: Path, tmp_path: Path) -> None:
    request = PgdlRequest(
        task=sample / "input_data" / "task1_sample", reference=sample / "reference_data", out=tmp_path / "zoo"
    )
    report = import_pgdl(request, unwatched)
    zoo = open_zoo(tmp_path / "zoo")
    zoo.verify()
    expected = np.load(sample / "logits.npz")
    inputs = torch.from_numpy(expected["inputs"].transpose(0, 3, 1, 2).copy())
    truth = zoo.truth()
    names = {entry.id: truth.networks[entry.id].source for entry in zoo.networks}
    assert {f"model_{name}" for name in names.values()} == {key for key in expected if key.startswith("model_")}
    for network_id, name in names.items():
        with torch.no_grad():
            outputs = load_network(zoo, network_id)(inputs).numpy()
        np.testing.assert_allclose(outputs, expected[f"model_{name}"], rtol=0, atol=1e-4)
    assert report.accuracy_difference < 1e-6
    assert report.test_size == 600
    # The examples behind the logits are training examples, so shards are read in order and pixels keep their places.
    data = load_training_data(zoo)
    for picture, label in zip(inputs, expected["labels"], strict=True):
        places = (data.inputs == picture).all(dim=(1, 2, 3)).nonzero()
        assert any(int(data.labels[place]) == label for place in places)


def test_hidden_values_are_kept_as_they_were_written(sample: Path, tmp_path: Path) -> None:
    request = PgdlRequest(
        task=sample / "input_data" / "task1_sample", reference=sample / "reference_data", out=tmp_path / "zoo"
    )
    import_pgdl(request, unwatched)
    truth = open_zoo(tmp_path / "zoo").truth()
    written = json.loads((sample / "reference_data" / "task1_sample" / "model_configs.json").read_text())
    assert {network.source for network in truth.networks.values()} == written.keys()
    for network in truth.networks.values():
        assert network.source is not None
        original = written[network.source]
        assert network.metrics == original["metrics"]
        assert network.hyperparameters == {axis: value["current_value"] for axis, value in original["hparams"].items()}
    first = next(iter(written.values()))["hparams"]
    assert [(axis.name, axis.values) for axis in truth.axes] == [
        (name, value["possible_values"]) for name, value in first.items()
    ]


def imported_logits(folder: Path, layers: list[Layer], arrays: list[list[Float]], x: Float) -> Float:
    """What the imported network gives for x (n, H, W, C), by way of a config and a weight file."""
    config, weights = folder / "config.json", folder / "weights.hdf5"
    config.write_text(json.dumps({"model_config": layers, "input_shape": list(x.shape[1:])}))
    write_weights(weights, layers, arrays)
    network = read_network(config, "task", "1")
    network.check(weights)
    built = with_weights(network.architecture, network.weights(weights), CPU, "the network")
    inputs = torch.from_numpy(x.transpose(0, 3, 1, 2).astype(np.float32).copy())
    return logits(built, inputs, "the network").numpy().astype(np.float64)


def test_where_kerass_layers_begin_is_kept_with_those_that_do_nothing(tmp_path: Path) -> None:
    layers = [
        conv(3, 3, activation="relu"),
        layer("BatchNormalization"),
        layer("ReLU"),
        layer("Dropout", rate=0.5),
        layer("GlobalAveragePooling2D"),
        layer("Flatten"),
        layer("Dense", units=4.0, activation="softmax"),
    ]
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"model_config": layers, "input_shape": [6, 6, 1]}))
    assert read_network(config, "task", "1").architecture["keras_layers"] == [2, 1, 1, 0, 2, 0, 1]
    assert "keras_layers" not in read_network(config, "task", "1", with_keras_layers=False).architecture
    own_softmax = [*layers[:-1], layer("Dense", units=4.0), layer("Softmax")]
    config.write_text(json.dumps({"model_config": own_softmax, "input_shape": [6, 6, 1]}))
    architecture = read_network(config, "task", "1").architecture
    assert architecture["keras_layers"] == [2, 1, 1, 0, 2, 0, 1, 0]
    assert build(architecture).keras_layers == (2, 1, 1, 0, 2, 0, 1, 0)


def conv(filters: float, kernel: object, **more: object) -> Layer:
    return {"layer_name": "Conv2D", "filters": filters, "kernel_size": kernel, **more}


def layer(name: str, **more: object) -> Layer:
    return {"layer_name": name, **more}


DENSE = layer("Dense", units=4.0)
FLATTEN = layer("Flatten")
NETWORKS: dict[str, tuple[Shape, list[Layer]]] = {
    "strided same convolution of an odd size": (
        (7, 9, 2),
        [conv(3.0, 3.0, strides=2.0, padding="same", activation="relu"), FLATTEN, DENSE],
    ),
    "strided same convolution of an even size pads the bottom and right": (
        (8, 6, 1),
        [conv(2.0, [3.0, 3.0], strides=[2.0, 2.0], padding="same"), FLATTEN, DENSE],
    ),
    "a kernel of even size, not square, with strides of its own": (
        (7, 8, 2),
        [conv(3, [4, 2], strides=[1, 3], padding="same", use_bias=False), FLATTEN, DENSE],
    ),
    "dilated convolutions in groups": (
        (9, 8, 4),
        [conv(6, 3, dilation_rate=[2.0, 1.0], groups=2.0, padding="same"), conv(2, 3, dilation_rate=2), FLATTEN, DENSE],
    ),
    "batch normalization after a convolution, then activation and same average pooling": (
        (7, 7, 3),
        [
            conv(4, 3, padding="valid", use_bias=False),
            layer("BatchNormalization", momentum=0.9, epsilon=0.01, axis=[3]),
            layer("Activation", activation="relu"),
            layer("AveragePooling2D", pool_size=3.0, strides=2.0, padding="same"),
            layer("GlobalAveragePooling2D"),
            DENSE,
        ],
    ),
    "batch normalization of flattened features, and layers that do nothing between": (
        (5, 6, 2),
        [
            layer("MaxPooling2D", pool_size=[3, 2], strides=None, padding="same"),
            FLATTEN,
            layer("Dropout", rate=0.5),
            layer("BatchNormalization"),
            layer("ReLU"),
            layer("Dense", units=5.0, activation="tanh"),
            layer("BatchNormalization", scale=False, center=False),
            DENSE,
        ],
    ),
    "batch normalization without a scale, or without a shift": (
        (4, 4, 3),
        [
            layer("BatchNormalization", scale=False),
            conv(2, 2),
            layer("BatchNormalization", center=False),
            FLATTEN,
            DENSE,
        ],
    ),
    "depthwise convolutions that multiply channels": (
        (7, 5, 3),
        [
            layer("DepthwiseConv2D", kernel_size=3.0, strides=2.0, depth_multiplier=2.0, padding="same"),
            layer("DepthwiseConv2D", kernel_size=[2.0, 1.0], use_bias=False, activation="relu6"),
            FLATTEN,
            DENSE,
        ],
    ),
    "pooling of odd sizes: valid floors, same ceils": (
        (11, 9, 2),
        [
            layer("MaxPooling2D", pool_size=2, padding="valid"),
            layer("AveragePooling2D", padding="same"),
            layer("MaxPooling2D", pool_size=3, strides=1, padding="same"),
            FLATTEN,
            DENSE,
        ],
    ),
    "a pool that is larger than the picture": (
        (3, 2, 2),
        [layer("AveragePooling2D", pool_size=5, strides=1, padding="same"), FLATTEN, DENSE],
    ),
    "dense layers on every pixel, and the largest value of each channel": (
        (4, 5, 2),
        [layer("Dense", units=3, activation="relu"), conv(4, 1), layer("GlobalMaxPooling2D")],
    ),
    "a convolution as the last layer, as in networks without dense layers": (
        (6, 6, 1),
        [
            conv(4, 3, padding="same", activation="relu"),
            conv(4, 1),
            layer("GlobalAveragePooling2D", keepdims=True),
            FLATTEN,
        ],
    ),
    "activations with parameters": (
        (3, 3, 2),
        [layer("ReLU", max_value=6.0), conv(3, 2), layer("LeakyReLU", alpha=0.125), FLATTEN,
         layer("Dense", units=4, activation="leaky_relu"), layer("ReLU", negative_slope=0.5), DENSE],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_what_its_layers_mean(name: str, tmp_path: Path) -> None:
    shape, layers = NETWORKS[name]
    generator = np.random.default_rng(1)
    arrays = random_arrays(layers, shape, generator)
    x = generator.normal(size=(3, *shape)).astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(
        imported_logits(tmp_path, layers, arrays, x), forward(layers, arrays, x), rtol=1e-4, atol=1e-5
    )


PADDING = st.sampled_from(["same", "valid"])
SMALL = st.integers(1, 3)
SIZES = st.one_of(SMALL, SMALL.map(float), st.lists(SMALL, min_size=2, max_size=2))
ACTIVATION = st.sampled_from([None, "linear", "relu", "tanh", "sigmoid", "elu", "swish", "softplus", "relu6"])
NORMALIZATION = st.fixed_dictionaries(
    {"layer_name": st.just("BatchNormalization"), "scale": st.booleans(), "center": st.booleans()}
)
PLAIN = st.sampled_from([layer("Dropout", rate=0.1), layer("Activation", activation="relu"), layer("ReLU")])
PICTURE_LAYERS = st.one_of(
    st.fixed_dictionaries(
        {"layer_name": st.just("Conv2D"), "filters": SMALL, "kernel_size": SIZES, "strides": SIZES, "padding": PADDING},
        optional={"activation": ACTIVATION, "use_bias": st.booleans()},
    ),
    st.fixed_dictionaries(
        {"layer_name": st.just("DepthwiseConv2D"), "kernel_size": SIZES, "padding": PADDING, "strides": SMALL},
        optional={"activation": ACTIVATION, "use_bias": st.booleans(), "depth_multiplier": SMALL},
    ),
    st.fixed_dictionaries(
        {"layer_name": st.sampled_from(["MaxPooling2D", "AveragePooling2D"]), "pool_size": SIZES, "padding": PADDING},
        optional={"strides": SIZES},
    ),
    NORMALIZATION,
    PLAIN,
)
FLAT_LAYERS = st.one_of(
    st.fixed_dictionaries({"layer_name": st.just("Dense"), "units": SMALL, "activation": ACTIVATION}),
    NORMALIZATION,
    PLAIN,
)
ENDS = st.sampled_from([FLATTEN, layer("GlobalAveragePooling2D"), layer("GlobalMaxPooling2D")])


@st.composite
def any_network(draw: st.DrawFn) -> tuple[Shape, list[Layer]]:
    shape = (draw(st.integers(3, 7)), draw(st.integers(3, 7)), draw(SMALL))
    pictures = draw(st.lists(PICTURE_LAYERS, max_size=4))
    flats = draw(st.lists(FLAT_LAYERS, max_size=3))
    return shape, [*pictures, draw(ENDS), *flats, DENSE]


def fits(shape: Shape, layers: Sequence[Layer]) -> bool:
    """Whether no window without padding is larger than what it looks at."""
    try:
        random_arrays(layers, shape, np.random.default_rng(0))
    except IndexError:  # no place for the window at all
        return False
    return True


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(network=any_network().filter(lambda drawn: fits(*drawn)), seed=st.integers(0, 2**32 - 1))
def test_any_network_gives_what_its_layers_mean(
    tmp_path_factory: pytest.TempPathFactory, network: tuple[Shape, list[Layer]], seed: int
) -> None:
    shape, layers = network
    generator = np.random.default_rng(seed)
    arrays = random_arrays(layers, shape, generator)
    x = generator.normal(size=(2, *shape)).astype(np.float32).astype(np.float64)
    folder = tmp_path_factory.mktemp("network")
    np.testing.assert_allclose(
        imported_logits(folder, layers, arrays, x), forward(layers, arrays, x), rtol=1e-3, atol=1e-4
    )


LAST_SOFTMAXES = [
    [layer("Dense", units=4, activation="softmax")],
    [DENSE, layer("Softmax")],
    [DENSE, layer("Activation", activation="softmax"), layer("Dropout", rate=0.1)],
]


@pytest.mark.parametrize("last", LAST_SOFTMAXES)
def test_a_last_softmax_is_left_out_so_that_outputs_are_logits(last: list[Layer], tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    layers = [FLATTEN, *last]
    arrays = random_arrays([FLATTEN, DENSE], (3, 3, 1), generator)
    x = generator.normal(size=(2, 3, 3, 1))
    found = imported_logits(tmp_path, layers, arrays + [[]] * (len(layers) - 2), x)
    np.testing.assert_allclose(found, forward([FLATTEN, DENSE], arrays, x), rtol=1e-4, atol=1e-5)


def test_layers_match_by_the_attributes_order_not_by_name(tmp_path: Path) -> None:
    """Eleven layers of one shape: `conv2d_10` comes before `conv2d_2` in the file."""
    layers = [*[conv(2, 1)] * 11, FLATTEN, DENSE]
    generator = np.random.default_rng(3)
    arrays = random_arrays(layers, (2, 2, 2), generator)
    x = generator.normal(size=(2, 2, 2, 2))
    found = imported_logits(tmp_path, layers, arrays, x)
    np.testing.assert_allclose(found, forward(layers, arrays, x), rtol=1e-4, atol=1e-5)
    with h5py.File(tmp_path / "weights.hdf5") as file:
        assert list(file).index("conv2d_10") < list(file).index("conv2d_2")


def test_weights_may_sit_in_a_group_and_names_in_pieces(tmp_path: Path) -> None:
    layers, shape = [conv(2, 2), FLATTEN, DENSE], (3, 3, 1)
    arrays = random_arrays(layers, shape, np.random.default_rng(4))
    config, plain, nested = tmp_path / "config.json", tmp_path / "plain.hdf5", tmp_path / "nested.hdf5"
    config.write_text(json.dumps({"model_config": layers, "input_shape": [3.0, 3.0, 1.0]}))
    write_weights(plain, layers, arrays)
    write_weights(nested, layers, arrays, below="model_weights", first=7)
    with h5py.File(nested, "r+") as file:
        root = file["model_weights"]
        names = list(root.attrs["layer_names"])
        del root.attrs["layer_names"]
        root.attrs["layer_names0"], root.attrs["layer_names1"] = names[:2], names[2:]
    network = read_network(config, "task", "1")
    expected, found = network.weights(plain), network.weights(nested)
    assert expected.keys() == found.keys()
    for name in expected:
        np.testing.assert_array_equal(expected[name], found[name])


FAULTY_LAYERS: list[tuple[Layer, str]] = [
    (layer("Conv3D"), r"layer 1: the layer 'Conv3D' is unknown; known are Conv2D"),
    (conv(2, 3, colour="red"), r"layer 1 \(Conv2D\): the keyword 'colour' is unknown"),
    (conv(2, 3, padding="causal"), r"\(Conv2D\): padding is 'causal'; known are valid, same"),
    (conv(2, 3, data_format="channels_first"), r"data_format is 'channels_first'"),
    (conv(2, 3, activation="exotic"), r"activation is 'exotic'; known are linear, relu"),
    (conv(2, 3, activation="softmax"), r"softmax over the channels"),
    (conv(2, 3, groups=2), r"2 groups do not divide 3 channels"),
    (conv(2, 30), r"its window of \(30, 30\) does not fit into 8 × 8 pixels"),
    (conv(2.5, 3), r"filters must be a whole number from 1 on, not 2\.5"),
    (conv(2, [3, 3, 3]), r"kernel_size must be a whole number from 1 on or a list of two"),
    (layer("Conv2D", kernel_size=3), r"filters is missing"),
    (conv(2, 3, use_bias="yes"), r"use_bias must be true or false, not 'yes'"),
    (conv(2, 3, dtype="float16"), r"dtype: networks of float32 only"),
    (layer("BatchNormalization", axis=1), r"axis is 1, which is not understood; only -1 is"),
    (layer("BatchNormalization", renorm=True), r"renorm is True"),
    (layer("BatchNormalization", epsilon="small"), r"epsilon must be a number, not 'small'"),
    (layer("ReLU", max_value=3.0), r"max_value 3 with negative_slope 0 is not understood"),
    (layer("ReLU", threshold=1.0), r"threshold is 1"),
    ({"name": "nothing"}, r"layer 1: must be an object with a layer_name"),
]  # fmt: skip


@pytest.mark.parametrize(("faulty", "told"), FAULTY_LAYERS, ids=[told for _, told in FAULTY_LAYERS])
def test_a_layer_that_is_not_understood_is_named(faulty: Layer, told: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    layers = [conv(3, 1), faulty, FLATTEN, DENSE]
    path.write_text(json.dumps({"model_config": layers, "input_shape": [8.0, 8.0, 1.0]}))
    with pytest.raises(ZooError, match=told) as caught:
        read_network(path, "task9", "148")
    assert str(caught.value).startswith(f"{path}: task task9, network 148, layer 1")


@pytest.mark.parametrize(
    ("layers", "told"),
    [
        ([], "model_config must be a list"),
        ([conv(3, 3)], r"outputs have the shape \(6, 6, 3\), not one number for each class"),
        ([conv(3, 3), FLATTEN], "class outputs that are pixels"),
        ([FLATTEN, conv(3, 3)], r"needs rows, columns and channels, but its input has the shape \(64,\)"),
        ([FLATTEN, layer("Dense", units=1)], r"outputs have the shape \(1,\)"),
    ],
)
def test_layers_that_make_no_classifier_are_told(layers: list[Layer], told: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_config": layers, "input_shape": [8.0, 8.0, 1.0]}))
    with pytest.raises(ZooError, match=told):
        read_network(path, "task9", "148")


def test_the_plain_computation_is_asked_about_every_layer_that_is_known() -> None:
    tried = {entry["layer_name"] for entry in chain.from_iterable(layers for _, layers in NETWORKS.values())}
    assert LAYERS.keys() - tried == {"Softmax", "SpatialDropout2D"}  # left out at the end, and in eval mode
