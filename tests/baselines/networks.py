"""Networks and data small enough to work out by hand, and small ones of every kind that zoos have."""

import copy
import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import torch
from torch import nn

from model_zoo.architectures import Context, Moment, TrainingData, build
from submissions.baselines import BASELINES

Measure = Callable[..., float]
EXTENDED = frozenset(baseline.name for baseline in BASELINES if baseline.track == "extended")


@cache
def measure(name: str) -> Measure:
    """The function of the baseline called `name`, its file loaded alone as a sandbox loads it."""
    path = next(baseline.path for baseline in BASELINES if baseline.name == name)
    spec = importlib.util.spec_from_file_location(f"lone_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    function: Measure = module.complexity
    return function


def seeded(
    name: str, network: nn.Module, dataset: TrainingData, seed: int = 7, context: Context | None = None
) -> float:
    """A baseline's value with torch's generator at `seed`; one of the extended track gets the context, or `around`."""
    further = (context or around(network, dataset),) if name in EXTENDED else ()
    torch.manual_seed(seed)
    return measure(name)(network, dataset, *further)


def around(network: nn.Module, dataset: TrainingData) -> Context:
    """Two siblings that are the network with noise in its weights, mirrored inputs, and smaller weights on the way."""
    siblings = tuple(disturbed(network, seed) for seed in (1, 2))
    moments = tuple(Moment(epoch, scaled(network, share)) for epoch, share in ((1.0, 0.4), (3.0, 0.8)))
    return Context(siblings, dataset.inputs.flip(-1), moments)


def disturbed(network: nn.Module, seed: int) -> nn.Module:
    """A copy with noise in every parameter."""
    generator = torch.Generator().manual_seed(seed)
    copied = with_initial(copy.deepcopy(network), None)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.add_(0.3 * parameter.abs().mean() * torch.randn(parameter.shape, generator=generator))
    return copied


def scaled(network: nn.Module, share: float) -> nn.Module:
    """A copy with every parameter multiplied by `share`."""
    copied = with_initial(copy.deepcopy(network), None)
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.mul_(share)
    return copied


def linear(rows: Sequence[Sequence[float]], bias: Sequence[float] | None = None) -> nn.Linear:
    layer = nn.Linear(len(rows[0]), len(rows))
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
        layer.bias.copy_(torch.tensor(bias if bias is not None else [0.0] * len(rows)))
    return layer


def plain_linear(rows: Sequence[Sequence[float]]) -> nn.Linear:
    """Without a bias."""
    layer = nn.Linear(len(rows[0]), len(rows), bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor(rows))
    return layer


def with_initial(network: nn.Module, initial: nn.Module | None) -> nn.Module:
    object.__setattr__(network, "initial", initial)
    return network.eval()


def scale(network: nn.Module, factors: Mapping[str, float]) -> None:
    """Multiply parameters and buffers in place, by their names."""
    tensors = network.state_dict()  # shares the network's memory
    for name, factor in factors.items():
        tensors[name].mul_(factor)


def hand_network() -> nn.Sequential:
    """Logits are (2 relu(a), 3 relu(b) + 1): small enough to work out by hand."""
    return nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]]), nn.ReLU(), linear([[2, 0], [0, 3]], [0.0, 1.0])).eval()


def hand_initial() -> nn.Sequential:
    """Before training, logits were (-relu(a), -relu(b))."""
    return nn.Sequential(nn.Flatten(), linear([[1, 0], [0, 1]]), nn.ReLU(), linear([[-1, 0], [0, -1]])).eval()


def data(points: Sequence[tuple[float, float]], labels: Sequence[int], classes: int = 2) -> TrainingData:
    return TrainingData(torch.tensor(points).float().reshape(-1, 1, 1, 2), torch.tensor(labels), classes)


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


def declared(*layers: Mapping[str, object]) -> Callable[[int], nn.Module]:
    """A zoo's own network from its declaration, with random weights."""

    def make(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return build({"family": "sequential", "layers": list(layers)})

    return make


RESNET = declared(
    {"type": "conv2d", "inputs": 1, "outputs": 4, "kernel": 3, "padding": 1, "bias": False},
    {"type": "batchnorm2d", "features": 4},
    {"type": "relu"},
    {
        "type": "residual",
        "body": [
            {"type": "conv2d", "inputs": 4, "outputs": 6, "kernel": 3, "stride": 2, "padding": 1},
            {"type": "batchnorm2d", "features": 6},
            {"type": "relu"},
            {"type": "conv2d", "inputs": 6, "outputs": 6, "kernel": 3, "padding": [1, 1, 1, 1]},
        ],
        "shortcut": [{"type": "conv2d", "inputs": 4, "outputs": 6, "kernel": 1, "stride": 2}],
    },
    {"type": "relu"},
    {"type": "globalavgpool2d"},
    {"type": "flatten"},
    {"type": "linear", "inputs": 6, "outputs": 4},
)
VIT = declared(
    {"type": "patches", "inputs": 1, "outputs": 6, "kernel": 4},
    {"type": "positions", "tokens": 4, "features": 6},
    {
        "type": "residual",
        "body": [{"type": "layernorm", "features": 6}, {"type": "attention", "features": 6, "heads": 2}],
    },
    {
        "type": "residual",
        "body": [
            {"type": "layernorm", "features": 6},
            {"type": "linear", "inputs": 6, "outputs": 8},
            {"type": "gelu"},
            {"type": "linear", "inputs": 8, "outputs": 6},
        ],
    },
    {"type": "meantokens"},
    {"type": "linear", "inputs": 6, "outputs": 4},
)
KINDS: dict[str, Callable[[int], nn.Module]] = {"mlp": mlp, "cnn": cnn, "resnet": RESNET, "vit": VIT}


def network_of(kind: str) -> nn.Module:
    """A small network for images of 8 × 8 and four classes, with initial weights and used batch statistics."""
    network = KINDS[kind](1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                module.running_mean = torch.rand_like(module.weight) - 0.5
                module.running_var = torch.rand_like(module.weight) + 0.5
    return with_initial(network, KINDS[kind](0).eval())


def images(count: int, classes: int = 4, side: int = 8, channels: int = 1) -> TrainingData:
    """Random images near one of `classes` prototypes, labelled by it: every class occurs."""
    generator = torch.Generator().manual_seed(0)
    prototypes = torch.rand(classes, channels, side, side, generator=generator)
    labels = torch.arange(count) % classes
    noise = torch.rand(count, channels, side, side, generator=generator)
    return TrainingData(prototypes[labels] + 0.5 * noise, labels, classes)


def permuted_units() -> Iterator[nn.Module]:
    """A hidden layer of four units, and the same function with the units in another order; both with initials."""
    torch.manual_seed(3)
    first, second = nn.Linear(2, 4), nn.Linear(4, 2)
    for units in (torch.arange(4), torch.tensor([2, 0, 3, 1])):
        one, two = linear([[0.0] * 2] * 4), linear([[0.0] * 4] * 2)
        with torch.no_grad():
            one.weight.copy_(first.weight[units])
            one.bias.copy_(first.bias[units])
            two.weight.copy_(second.weight[:, units])
            two.bias.copy_(second.bias)
        initial = nn.Sequential(nn.Flatten(), linear([[0.0] * 2] * 4), nn.ReLU(), linear([[0.0] * 4] * 2))
        yield with_initial(nn.Sequential(nn.Flatten(), one, nn.ReLU(), two), initial)
