"""The picture of a local evaluation: the measure's values against the target, as on a result page."""

from server.charts.specifications import Spec, value_against_target
from server.commands.local.local_evaluation import LocalEvaluation
from submissions.results.values_and_targets import Point, ZooPoints


def chart_of(evaluation: LocalEvaluation) -> Spec:
    """Return the scatter plot of the networks that have a value, coloured by the zoo's first axis."""
    truth = evaluation.truth
    assert truth is not None, "without a truth there is no target to draw"
    axes = truth.grid.axes
    points = [
        Point(
            network,
            evaluation.values[network],
            float(target),
            {axis.name: axis.values[place] for axis, place in zip(axes, places, strict=True)},
        )
        for network, target, places in zip(truth.ids, truth.targets, truth.grid.coordinates, strict=True)
        if network in evaluation.values
    ]
    zoo = evaluation.zoo
    names = tuple(axis.name for axis in axes)
    return value_against_target(ZooPoints(zoo.name, zoo.manifest.title, truth.target, names, tuple(points)))
