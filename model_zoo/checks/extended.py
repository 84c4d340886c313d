"""Checks that a zoo has what it offers to measures of the extended track, and for every network."""

from model_zoo.checks.report import Item, error, ok, some, warning
from model_zoo.manifest import MANIFEST
from model_zoo.zoo import Zoo

NAME = "extended track"


def extended_track(zoo: Zoo) -> Item:
    """Check that a zoo of the extended track offers something for every network, and that others do not."""
    is_extended = "extended" in zoo.manifest.tracks
    counts = {
        "siblings": sum(bool(entry.siblings) for entry in zoo.networks),
        "trajectories": sum(bool(entry.trajectory) for entry in zoo.networks),
    }
    partial = [what for what, count in counts.items() if 0 < count < len(zoo.networks)]
    if is_extended and not zoo.offers:
        return error(
            NAME,
            f"{MANIFEST} lists the extended track, but not every network has a sibling or a trajectory, and there are "
            "no unlabelled inputs.",
            f"Add what measures of that track are to get, or take extended from the tracks in {MANIFEST}.",
        )
    if is_extended and partial:
        return warning(
            NAME,
            f"Some networks, but not all, have {' and '.join(partial)}: no measure may ask for it.",
            "Give it to every network, or to none.",
        )
    held = [what for what, count in counts.items() if count]
    held += ["unlabelled inputs"] if zoo.unlabelled_file is not None else []
    if held and not is_extended:
        return warning(
            NAME,
            f"The zoo holds {some(held)}, but its tracks have no extended: no measure gets them.",
            f"Add extended to the tracks in {MANIFEST}, or leave these files out.",
        )
    if not is_extended:
        return ok(NAME, "The zoo is of the standard track alone.")
    return ok(NAME, f"Measures of the extended track get of every network: {', '.join(zoo.offers)}.")
