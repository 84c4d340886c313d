"""A small zoo with everything a zoo may have: initial weights, siblings, trajectories, unlabelled data, own code."""

from pathlib import Path

import numpy as np

from model_zoo.manifest import Axis, DatasetCard, NetworkTruth, RecipeMark, ZooCard
from model_zoo.writer import new_zoo, opaque_ids

LAYERS = [{"type": "flatten"}, {"type": "linear", "inputs": 4, "outputs": 2, "bias": False}]
DECLARED = {"family": "sequential", "layers": LAYERS}
CUSTOM = {"family": "custom", "arguments": {"width": 2}}
CODE = b"def build(width):\n    raise SystemExit('executed outside a sandbox')\n"
METRICS = {"train_acc": 1.0, "test_acc": 0.75, "train_loss": 0.25, "test_loss": 1.0, "ood_acc": 0.5, "sharpness": 3.0}
CARD = ZooCard(
    name="whole",
    title="With everything",
    dataset=DatasetCard(name="numbers", source="drawn", licence="CC0"),
    input_shape=[1, 2, 2],
    classes=2,
    targets=["gap", "test_error", "loss_gap", "ood_gap", "sharpness"],
    tracks=["standard", "extended"],
    truth_public=True,
    recipe=RecipeMark(name="whole", seed=3, sha256="0" * 64),
)


def make_whole_zoo(folder: Path, *, truth_public: bool = True) -> Path:
    """Two declared networks and one of the zoo's own architecture.py, with two siblings and two points of its way."""
    rng = np.random.default_rng(3)

    def weights(name: str) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
        return {name: rng.normal(size=(2, 4)).astype(np.float32)}

    with new_zoo(folder) as writer:
        writer.architecture_code(CODE)
        for write, count in ((writer.training_data, 6), (writer.test_data, 4)):
            write(rng.random((count, 1, 2, 2), dtype=np.float32), rng.integers(0, 2, count))
        writer.unlabelled(rng.random((4, 1, 2, 2), dtype=np.float32))
        for kind, network_id in enumerate(sorted(opaque_ids(3, 3))):
            name, architecture = ("inner.weight", CUSTOM) if kind == 2 else ("1.weight", DECLARED)
            writer.sibling(network_id, weights(name))
            writer.trajectory(network_id, 0.5, weights(name))
            truth = NetworkTruth(hyperparameters={"kind": kind}, metrics=METRICS, source=f"model-{kind}")
            writer.network(network_id, architecture, weights(name), weights(name), truth)
            writer.sibling(network_id, weights(name))
            writer.trajectory(network_id, 4, weights(name))
        card = CARD.model_copy(update={"truth_public": truth_public})
        writer.finish(card, [Axis(name="kind", values=[0, 1, 2])], test_size=4)
    return folder
