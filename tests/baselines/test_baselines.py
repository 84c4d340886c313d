import importlib.util
import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

import submissions.baselines
from model_zoo.architectures import TrainingData
from submissions.baselines import BASELINES, baseline_source
from submissions.bundle import BundleLimits, read_bundle

Measure = Callable[[nn.Module, TrainingData], float]
FOLDER = Path(submissions.baselines.__file__).parent


def measure(filename: str) -> Measure:
    """The function of a baseline, loaded as a lone file as a sandbox loads it."""
    spec = importlib.util.spec_from_file_location(f"lone_{filename.removesuffix('.py')}", FOLDER / filename)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Measure = module.complexity
    return function


parameter_count = measure("parameter_count.py")
squared_norm = measure("squared_norm.py")
distance_from_initialization = measure("distance_from_initialization.py")
inverse_squared_margin = measure("inverse_squared_margin.py")
label_wise_mixup = measure("label_wise_mixup.py")
ALL = pytest.mark.parametrize("filename", [baseline.filename for baseline in BASELINES])


def linear(rows: list[list[float]], bias: list[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(rows[0]), len(rows))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
        layer.bias.copy_(torch.tensor(bias or [0.0] * len(rows)))
    return layer


def with_initial(network: nn.Module, initial: nn.Module | None) -> nn.Module:
    object.__setattr__(network, "initial", initial)
    return network.eval()


def hand_network() -> nn.Sequential:
    """Logits are (2 relu(a), 3 relu(b) + 1): small enough to work out by hand."""
    return nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]]), nn.ReLU(), linear([[2, 0], [0, 3]], [0.0, 1.0]))


def data(points: list[tuple[float, float]], labels: list[int]) -> TrainingData:
    return TrainingData(torch.tensor(points, dtype=torch.float32).reshape(-1, 1, 1, 2), torch.tensor(labels), 2)


def mlp(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 4))


def cnn(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 4, 3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, 4),
    )


@pytest.fixture(params=[mlp, cnn])
def network(request: pytest.FixtureRequest) -> nn.Module:
    build: Callable[[int], nn.Module] = request.param
    return with_initial(build(1), build(0))


@pytest.fixture
def digits_like() -> TrainingData:
    generator = torch.Generator().manual_seed(0)
    return TrainingData(torch.rand(600, 1, 8, 8, generator=generator), torch.randint(4, (600,), generator=generator), 4)


def test_the_list_says_what_the_files_say() -> None:
    assert [(baseline.name, baseline.track) for baseline in BASELINES] == [
        ("Parameter count", "standard"),
        ("Squared norm", "standard"),
        ("Distance from initialization", "standard"),
        ("Inverse squared margin", "standard"),
        ("Label-wise mixup", "standard"),
    ]
    assert {path.name for path in FOLDER.glob("*.py")} == {"__init__.py", *(b.filename for b in BASELINES)}


def test_the_list_imports_no_torch() -> None:
    code = "import sys, submissions.baselines; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@ALL
def test_each_is_a_valid_upload_that_explains_itself(filename: str) -> None:
    baseline = next(baseline for baseline in BASELINES if baseline.filename == filename)
    bundle = read_bundle(baseline.filename, baseline_source(baseline.name), BundleLimits())
    text = bundle.files["complexity.py"].decode()
    assert all(f"\n{word}:" in text for word in ("Formula", "Source", "Cost", "Higher"))


@ALL
def test_each_gives_the_same_finite_float_again(filename: str, network: nn.Module, digits_like: TrainingData) -> None:
    values = []
    for _ in range(2):
        torch.manual_seed(7)
        values.append(measure(filename)(network, digits_like))
    assert isinstance(values[0], float)
    assert values[0] == values[1]
    assert abs(values[0]) < float("inf")


@ALL
def test_each_leaves_network_and_data_as_they_were(
    filename: str, network: nn.Module, digits_like: TrainingData
) -> None:
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    inputs = digits_like.inputs.clone()
    measure(filename)(network, digits_like)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert torch.equal(inputs, digits_like.inputs)


@ALL
@pytest.mark.parametrize("batch_size", [1, 7, 10_000])
def test_none_depends_on_how_the_data_are_cut_into_batches(
    filename: str, batch_size: int, network: nn.Module, digits_like: TrainingData
) -> None:
    function = measure(filename)
    value = function(network, digits_like)
    if "BATCH_SIZE" in function.__globals__:
        function.__globals__["BATCH_SIZE"] = batch_size
    assert function(network, digits_like) == pytest.approx(value, rel=1e-3)


def permuted_units() -> Iterator[nn.Module]:
    """A hidden layer of four units, and the same function with the units in another order."""
    torch.manual_seed(3)
    first, second = nn.Linear(2, 4), nn.Linear(4, 2)
    order = torch.tensor([2, 0, 3, 1])
    for units in (torch.arange(4), order):
        one, two = linear([[0.0] * 2] * 4), linear([[0.0] * 4] * 2)
        with torch.no_grad():
            one.weight.copy_(first.weight[units])
            one.bias.copy_(first.bias[units])
            two.weight.copy_(second.weight[:, units])
            two.bias.copy_(second.bias)
        yield nn.Sequential(nn.Flatten(), one, nn.ReLU(), two)


@ALL
def test_none_depends_on_the_order_of_hidden_units(filename: str) -> None:
    points = data([(float(i % 7) - 3, float(i % 5) - 2) for i in range(40)], [i % 2 for i in range(40)])
    initial = nn.Sequential(nn.Flatten(), linear([[0.0] * 2] * 4), nn.ReLU(), linear([[0.0] * 4] * 2))
    plain, permuted = (measure(filename)(with_initial(network, initial), points) for network in permuted_units())
    assert plain == pytest.approx(permuted, rel=1e-5)


POINTS = data([(1, 0), (4, 1), (0, 1), (1, 2)], [0, 0, 1, 1])


def test_parameter_count_by_hand() -> None:
    assert parameter_count(hand_network(), POINTS) == 4 + 2 + 4 + 2


def test_parameter_count_counts_batch_norm_and_convolutions() -> None:
    assert parameter_count(nn.Sequential(nn.Conv2d(2, 3, 5), nn.BatchNorm2d(3)), POINTS) == 2 * 3 * 25 + 3 + 6


def test_squared_norm_by_hand() -> None:
    assert squared_norm(hand_network(), POINTS) == 1 + 1 + 4 + 9


def test_squared_norm_grows_with_the_square_of_the_weights(network: nn.Module, digits_like: TrainingData) -> None:
    value = squared_norm(network, digits_like)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(3)
    assert squared_norm(network, digits_like) == pytest.approx(9 * value)


def test_distance_from_initialization_by_hand() -> None:
    initial = nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]]), nn.ReLU(), linear([[-1, 0], [0, -1]]))
    assert distance_from_initialization(with_initial(hand_network(), initial), POINTS) == (9 + 16) ** 0.5


def test_distance_from_initialization_is_zero_before_training(digits_like: TrainingData) -> None:
    assert distance_from_initialization(with_initial(cnn(0), cnn(0)), digits_like) == 0


def test_distance_from_initialization_says_when_there_is_no_initialization() -> None:
    with pytest.raises(ValueError, match="no initial weights"):
        distance_from_initialization(with_initial(hand_network(), None), POINTS)


def test_inverse_squared_margin_by_hand() -> None:
    # Margins: (1,0): 2-1 = 1; (4,1): 8-4 = 4; (0,1): 4-0 = 4; (1,2): 7-2 = 5.
    # The 10th percentile of 1, 4, 4, 5 lies 0.3 of the way from the first to the second: 1.9.
    assert inverse_squared_margin(hand_network().eval(), POINTS) == pytest.approx(1 / 1.9**2, rel=1e-12)


def test_inverse_squared_margin_does_not_reward_wrong_answers() -> None:
    wrong = data([(1, 0), (4, 1), (0, 1), (1, 2)], [1, 1, 0, 0])
    assert inverse_squared_margin(hand_network().eval(), wrong) == 1e6


def test_inverse_squared_margin_falls_with_the_square_of_the_logits() -> None:
    network = hand_network()
    value = inverse_squared_margin(network, POINTS)
    with torch.no_grad():
        for parameter in network[3].parameters():
            parameter.mul_(2)
    assert inverse_squared_margin(network, POINTS) == pytest.approx(value / 4)


def test_label_wise_mixup_by_hand() -> None:
    # Class 0 where |a| > |b| and class 1 elsewhere is beyond a linear network, not beyond this one:
    # logits (relu(a) + relu(-a), relu(b) + relu(-b)).
    network = nn.Sequential(
        nn.Flatten(),
        linear([[1, 0], [-1, 0], [0, 1], [0, -1]]),
        nn.ReLU(),
        linear([[1, 1, 0, 0], [0, 0, 1, 1]], [0.0, 0.5]),
    )
    # Class 0 in a circle: (2,0) (4,0) (-2,0) (-4,0). Halfway to the next: 3, 1, -3, -1 with margins 2.5 and
    # 0.5; halfway to the next but one: 0, four times, with logits (0, 0.5) for class 1.
    # Class 1: (0,1) and (0,3), halfway 2 with margin 2.5, twice.
    points = data([(2, 0), (4, 0), (-2, 0), (-4, 0), (0, 1), (0, 3)], [0, 0, 0, 0, 1, 1])
    margins = [2.5, 0.5, 2.5, 0.5, -0.5, -0.5, -0.5, -0.5, 2.5, 2.5]
    expected = sum(1 / (1 + math.exp(margin)) for margin in margins) / 10
    assert label_wise_mixup(network, points) == pytest.approx(expected, rel=1e-12)


def test_label_wise_mixup_falls_as_the_network_grows_surer() -> None:
    points = data([(1, 0), (4, 1), (0, 1), (1, 2)], [0, 0, 1, 1])
    network = hand_network()
    value = label_wise_mixup(network, points)
    with torch.no_grad():
        for parameter in network[3].parameters():
            parameter.mul_(2)
    assert label_wise_mixup(network, points) < value


def test_label_wise_mixup_uses_each_example_equally_and_only_its_own_class() -> None:
    pairs = label_wise_mixup.__globals__["same_label_pairs"]
    labels = torch.tensor([0, 1, 2] * 20 + [3])
    first, second = pairs(labels, 200)
    assert torch.equal(labels[first], labels[second])
    assert not (first == second).any()
    assert first.bincount(minlength=61).tolist() == [3] * 60 + [0]
    assert len({frozenset(pair) for pair in zip(first.tolist(), second.tolist(), strict=True)}) == len(first)


def test_label_wise_mixup_never_looks_at_more_than_its_limit_of_pairs() -> None:
    pairs = label_wise_mixup.__globals__["same_label_pairs"]
    first, second = pairs(torch.arange(1000) % 7, 64)
    assert len(first) == len(second) <= 64


def test_label_wise_mixup_says_when_there_is_nothing_to_mix() -> None:
    with pytest.raises(ValueError, match="no class"):
        label_wise_mixup(hand_network(), data([(1, 0), (0, 1)], [0, 1]))
