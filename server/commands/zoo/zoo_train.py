"""`gengap zoo train`: trains a recipe's zoo into a folder. It runs in a child, so no torch here."""

from pathlib import Path

import click
from rich.console import Console

from model_zoo import ZooError
from model_zoo.recipes import named_recipe, read_recipe
from model_zoo.training.progress_bar import training_bar
from model_zoo.training.training_process import TrainingOptions, train_in_child
from server.commands.common import settings_or_exit
from server.commands.errors import InputError, ending_with

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command(name="train")
@click.argument("recipe", metavar="RECIPE")
@click.option("--out", type=_FOLDER, help="The new folder (default: the recipe's name, in the current folder).")
@click.option("--data", type=_FOLDER, help="Folder of downloaded datasets, instead of the one in the settings.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes on the CPU (default: one for each core).")
@click.option(
    "--key",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Make a zoo with hidden truth from the key in this file (64 hexadecimal digits, or the private/key.json of a "
    "zoo), instead of a new one.",
)
def command(recipe: str, out: Path | None, data: Path | None, device: str, jobs: int | None, key: Path | None) -> None:
    """Train the zoo of RECIPE, the name of a shipped one or a TOML file, and print its folder.

    If the training was interrupted, the same command continues it.
    """
    settings = settings_or_exit()
    with ending_with(InputError, ZooError):
        name = (read_recipe(Path(recipe)) if recipe.endswith(".toml") else named_recipe(recipe)).name
        folder = (out or Path(name)).absolute()
        options = TrainingOptions(
            (data or settings.data_folder).absolute(), device, jobs, None if key is None else key.absolute()
        )
        with training_bar(name, Console(stderr=True)) as watch:
            train_in_child(recipe, folder, watch, options)
    click.echo(folder)
