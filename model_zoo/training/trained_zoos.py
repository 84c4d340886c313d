"""The cache of trained zoos of shipped recipes, for callers that do not load torch."""

import hashlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path

from model_zoo.manifest import ZooError
from model_zoo.recipes import Recipe, named_recipe
from model_zoo.zoo import open_zoo

_ROOM = Path(__file__).parent.parent
_CODE = ("architectures", "recipes", "training", "manifest.py", "safetensors_writer.py", "writer.py")
_DIGEST_DIGITS = 12


def recipe_digest(recipe: Recipe) -> str:
    """Digest of what trained numbers depend on: the recipe, our code and torch's version, but not downloaded data."""
    digest = hashlib.sha256(f"{recipe.sha256} {importlib.metadata.version('torch')}".encode())
    for path in (_ROOM / name for name in _CODE):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.read_bytes())
    return digest.hexdigest()


def zoo_folder(recipe_name: str, cache: Path) -> Path:
    """Return where the recipe's zoo is or will be; the name contains the recipe's digest."""
    return cache / f"{recipe_name}-{recipe_digest(named_recipe(recipe_name))[:_DIGEST_DIGITS]}"


def cached_zoo(recipe_name: str, cache: Path) -> Path | None:
    """Return the folder of the recipe's zoo if it was trained and its files exist, else None."""
    folder = zoo_folder(recipe_name, cache)
    try:
        open_zoo(folder)
    except ZooError:
        return None
    return folder


def make_zoo_in_child(recipe_name: str, cache: Path) -> Path:
    """Return the folder of the recipe's zoo; if necessary, train it in a child process, with progress on stderr.

    Parameters
    ----------
    recipe_name : str
        Of a shipped recipe.
    cache : Path
        Folder of trained zoos.

    Returns
    -------
    Path

    Raises
    ------
    ZooError
        If the child fails; it has printed the reason to stderr.
    """
    if (folder := cached_zoo(recipe_name, cache)) is not None:
        return folder
    command = [sys.executable, "-P", "-m", "model_zoo.training", recipe_name, "--cache", str(cache)]
    finished = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode != 0:
        raise ZooError(f"the zoo {recipe_name} was not made: its training ended with {finished.returncode}")
    return Path(finished.stdout.rstrip("\n"))
