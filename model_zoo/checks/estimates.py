"""Estimates how large a zoo is and how long the evaluation of one submission takes on it."""

from collections.abc import Mapping

from model_zoo.checks.measured import Measured
from model_zoo.checks.report import Item, ok
from model_zoo.zoo import Zoo

# What a measure is taken to cost: so many passes over the training data, as margins over many perturbations or a few
# epochs of gradients do, and what the sandbox adds to each network.
PASSES = 10
OVERHEAD_S = 0.1
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def estimated_evaluation_s(measured: Mapping[str, Measured]) -> float | None:
    """Estimate the processor seconds of one submission: OVERHEAD_S + PASSES passes over the training data per network.

    Parameters
    ----------
    measured : mapping
        By network id.

    Returns
    -------
    float or None
        Seconds on one processor; None unless every network was measured.
    """
    seconds = [found.train.seconds for found in measured.values() if found.train is not None]
    if len(seconds) < len(measured):
        return None
    return sum(OVERHEAD_S + PASSES * each for each in seconds)


def bytes_of(zoo: Zoo) -> int:
    """Add up the sizes of all listed files."""
    return sum(digest.bytes for digest in zoo.manifest.files.values())


def cost(zoo: Zoo, evaluation_s: float | None) -> Item:
    """Make the item about size and evaluation time; it is always ok."""
    largest = max(zoo.networks, key=lambda entry: entry.weights.stat().st_size)
    size = (
        f"{readable_bytes(bytes_of(zoo))} in {len(zoo.manifest.files)} files, the largest network "
        f"{readable_bytes(largest.weights.stat().st_size)}."
    )
    if evaluation_s is None:
        return ok("cost", f"{size} How long an evaluation takes is not known: not all networks were measured.")
    return ok(
        "cost",
        f"{size} A measure that costs {PASSES} passes over the training data takes some {readable_s(evaluation_s)} "
        f"on one processor ({OVERHEAD_S:g} s per network for the sandbox included).",
    )


def readable_bytes(count: float) -> str:
    """Format a size in powers of 1000, for example 3.2 MB."""
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"


def readable_s(seconds: float) -> str:
    """Format a duration, for example 40 s, 12 min or 3.5 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
