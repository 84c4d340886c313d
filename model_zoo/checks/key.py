"""Checks that all that is random in a zoo with hidden truth comes from a secret key, and not from a number to guess."""

from model_zoo.checks.report import Item, error, ok, warning
from model_zoo.manifest import KEY, ZooError
from model_zoo.recipes.keys import read_key
from model_zoo.zoo import Zoo

_ANEW = (
    "Make a new one: a recipe's without its seed (gengap zoo train), an import again (gengap zoo import). Replace this "
    "zoo by it in every phase, and never use this one again for a hidden truth."
)


def key(zoo: Zoo) -> Item:
    """Check that a zoo with hidden truth has a key, and that its ids come from it.

    An older Gengap drew everything from the seed of a recipe, which a measure can find. Whether a recipe's networks
    come from the key is not checked: that needs the recipe, and takes a training.
    """
    if zoo.manifest.truth_public:
        return ok("key", "The truth is public, so nothing random has to be secret.")
    if not zoo.has_truth:
        return ok("key", "Only the public part is here, which never has the key.")
    if KEY not in zoo.manifest.files:
        return warning(
            "key",
            f"The truth is hidden, but the zoo has no {KEY}. If an older Gengap trained it from a recipe with a seed, "
            "a measure can find the seed from one network, and with it every hyperparameter and metric. If another "
            "program made it, its ids may come from a number that can be guessed.",
            _ANEW,
        )
    try:
        found = read_key(zoo.folder / KEY)
    except ZooError as fault:
        return error("key", f"{fault}.", "Make the zoo anew, or put back its own key.")
    if {entry.id for entry in zoo.networks} != set(found.ids(len(zoo.networks))):
        return warning("key", f"The ids of the networks do not come from the key in {KEY}.", _ANEW)
    if found.recipe_sha256 is None:
        return ok("key", f"The ids, and with them the order, come from the key in {KEY}.")
    return ok(
        "key",
        f"The ids, and with them the order, come from the key in {KEY}. That the networks do was not checked: for "
        "that, train the recipe again with this key and compare the weights.",
    )
