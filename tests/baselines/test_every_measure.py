"""What holds for every measure that ships: it explains itself, repeats itself, and depends on nothing it must not."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn

from model_zoo import Zoo, loading, open_zoo
from model_zoo.architectures import Context, Moment, TrainingData
from model_zoo.zoo import OFFERS
from submissions.baselines import BASELINES, DEMO, FOLDER, GROUPS, Baseline, baseline_source
from submissions.intake.bundle import BundleLimits, read_bundle
from submissions.zoos.tracks import Track
from tests.baselines.networks import (
    KINDS,
    around,
    data,
    images,
    network_of,
    permuted_units,
    seeded,
    with_initial,
)
from tests.factories import make_tiny_zoo
from worker.sandbox.backends.bubblewrap import BubblewrapLauncher
from worker.sandbox.protocol import Code, Failure, Limits, Value
from worker.sandbox.spawn import Spawner
from worker.sandbox.zygote_sandbox import ZygoteSandbox
from worker.zoo_evaluation import network_files

DEAR = {"Starting-kit sharpness"}  # seconds on each of these networks
NAMES = [baseline.name for baseline in BASELINES]
TRACKS: dict[str, Track] = {b.name: "extended" if b.track == "extended" else "standard" for b in BASELINES}
EACH = pytest.mark.parametrize("name", NAMES)
KINDS_TRIED = [
    pytest.param(name, kind, marks=[pytest.mark.thorough] if kind == "cnn" or name in DEAR else [])
    for name in NAMES
    for kind in KINDS
]
COSTS = {baseline.name: baseline.cost for baseline in BASELINES}
# Measures that mean nothing on some networks, and what they say there.
REFUSALS = {
    ("Path norm", "vit"): "path norm is defined for",
    ("Path norm over margin", "vit"): "path norm is defined for",
    ("Power-law exponent", "a few units"): "too few to fit a power law",
    ("Weighted power-law exponent", "a few units"): "too few to fit a power law",
    ("Aligned mode-connectivity barrier", "resnet"): "in plain chains of layers only, and this network has a Residual",
    ("Aligned mode-connectivity barrier", "vit"): "in plain chains of layers only, and this network has a Patches",
    ("Aligned mode-connectivity barrier", "strided"): "a grouped convolution ties its units",
}
# Compares weights one by one, so that another order of units is another network: what the aligned one mends.
DEPENDS_ON_ORDER = {"Mode-connectivity barrier"}
# Their random numbers belong to single parameters, so that another order of units is another draw.
DRAWS_FOR_PARAMETERS = {
    "Hessian trace",
    "Module criticality",
    "PAC-Bayes flatness",
    "PAC-Bayes init",
    "PAC-Bayes magnitude flatness",
    "PAC-Bayes magnitude init",
    "PAC-Bayes magnitude origin",
    "PAC-Bayes origin",
    "Starting-kit sharpness",
}


def test_every_file_of_every_group_is_in_the_list() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name not in ("__pycache__",)}
    assert folders == {*GROUPS, "gengap_measures"}
    assert {baseline.path for baseline in BASELINES} == {p for group in GROUPS for p in (FOLDER / group).glob("*.py")}
    assert len(set(NAMES)) == len(NAMES)


def test_the_demo_has_the_five_that_it_always_had() -> None:
    assert [baseline.name for baseline in DEMO] == [
        "Parameter count",
        "Squared norm",
        "Distance from initialization",
        "Inverse squared margin",
        "Label-wise mixup",
    ]


def test_the_list_imports_no_torch() -> None:
    code = "import sys, submissions.baselines; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
def test_each_is_a_valid_upload_that_explains_itself(baseline: Baseline) -> None:
    bundle = read_bundle(baseline.filename, baseline_source(baseline.name), BundleLimits())
    text = bundle.files["complexity.py"].decode()
    assert all(f"\n{word}:" in text for word in ("Formula", "Source", "Cost", "Higher"))
    assert (bundle.track, bundle.needs) == (baseline.track, baseline.needs)
    assert (baseline.track == "extended") == bool(baseline.needs)
    assert baseline.cost in ("s", "m", "h")


@pytest.mark.parametrize(("name", "kind"), KINDS_TRIED)
def test_each_gives_the_same_finite_float_again_in_any_batches_and_changes_nothing(
    name: str, kind: str, batches_of: Callable[[int], None]
) -> None:
    network, dataset = network_of(kind), images(60)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    inputs, labels = dataset.inputs.clone(), dataset.labels.clone()
    if (name, kind) in REFUSALS:
        with pytest.raises(ValueError, match=REFUSALS[name, kind]):
            seeded(name, network, dataset)
        return
    values = [seeded(name, network, dataset) for _ in range(2)]
    assert isinstance(values[0], float)
    assert math.isfinite(values[0])
    assert values[0] == values[1]
    batches_of(25)
    assert seeded(name, network, dataset) == pytest.approx(values[0], rel=1e-5, abs=1e-12)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    assert all(not module._forward_hooks and not module._forward_pre_hooks for module in network.modules())
    assert not network.training
    assert torch.equal(inputs, dataset.inputs)
    assert torch.equal(labels, dataset.labels)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DRAWS_FOR_PARAMETERS | DEPENDS_ON_ORDER])
def test_none_depends_on_the_order_of_hidden_units(name: str) -> None:
    points = data([(float(i % 7) - 3, float(i % 5) - 2) for i in range(40)], [i % 2 for i in range(40)])
    if (name, "a few units") in REFUSALS:
        with pytest.raises(ValueError, match=REFUSALS[name, "a few units"]):
            seeded(name, next(permuted_units()), points)
        return
    context = around(next(permuted_units()), points)
    values = [seeded(name, network, points, context=context) for network in permuted_units()]
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def strided(channels: int, classes: int) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(channels, 6, 4, stride=4),
        nn.ReLU(),
        nn.Conv2d(6, 6, 2, groups=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, classes),
    ).eval()


@EACH
@pytest.mark.parametrize(
    ("side", "channels", "classes", "count"),
    [
        (8, 1, 2, 40),
        pytest.param(32, 3, 10, 60, marks=pytest.mark.thorough),
        pytest.param(64, 4, 200, 220, marks=pytest.mark.thorough),
    ],
    ids=str,
)
def test_each_takes_images_of_every_size_any_number_of_classes_and_batches_of_any_size(
    name: str, side: int, channels: int, classes: int, count: int, batches_of: Callable[[int], None]
) -> None:
    network = with_initial(strided(channels, classes), strided(channels, classes))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1.5)
    if (name, "strided") in REFUSALS:
        with pytest.raises(ValueError, match=REFUSALS[name, "strided"]):
            seeded(name, network, images(count, classes, side, channels))
        return
    dataset = images(count, classes, side, channels)
    value = seeded(name, network, dataset)
    assert math.isfinite(value)
    if COSTS[name] == "h" and side > 8:
        return  # they take half a minute for another look
    batches_of(25)
    assert seeded(name, network, dataset) == pytest.approx(value, rel=1e-5, abs=1e-12)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ZygoteSandbox]:
    made = ZygoteSandbox(BubblewrapLauncher(Spawner()), 0)
    yield made
    made.close()


@pytest.fixture(scope="module")
def offering_zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return open_zoo(make_tiny_zoo(tmp_path_factory.mktemp("zoos") / "offering", "offering", offers=OFFERS))


@EACH
def test_each_gives_the_same_value_inside_the_sandbox(name: str, sandbox: ZygoteSandbox, offering_zoo: Zoo) -> None:
    zoo, track = offering_zoo, TRACKS[name]
    network_id = zoo.networks[0].id
    sandbox.start(Code({"complexity.py": baseline_source(name)}, "digest", track), Limits())
    outcome = sandbox.evaluate(network_files(zoo, network_id, track), seed=7)
    if (name, "a few units") in REFUSALS:
        assert isinstance(outcome, Failure)
        assert outcome.message is not None
        assert REFUSALS[name, "a few units"] in outcome.message
        return
    assert isinstance(outcome, Value), outcome
    context = Context(
        tuple(loading.load_siblings(zoo, network_id)),
        loading.load_unlabelled_inputs(zoo),
        tuple(Moment(epoch, network) for epoch, network in loading.load_trajectory(zoo, network_id)),
    )
    dataset = loading.load_training_data(zoo)
    assert isinstance(dataset, TrainingData)
    expected = seeded(name, loading.load_network(zoo, network_id), dataset, context=context)
    assert outcome.value == pytest.approx(expected, rel=1e-6)
