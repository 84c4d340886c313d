"""`gengap zoo`: trains the zoos of the shipped recipes and shows zoos. Training runs in a child, so no torch here."""

from collections.abc import Mapping
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from model_zoo import Zoo, ZooError
from model_zoo.gap_summary import GapSummary, summarize_gaps
from model_zoo.manifest import AxisValue
from model_zoo.recipes import RECIPES, Recipe, named_recipe
from model_zoo.recipes.datasets import FileData
from model_zoo.training.trained_zoos import cached_zoo, make_zoo_in_child
from server.commands.common import find_zoo, settings_or_exit
from server.commands.errors import InputError, ending_with
from server.commands.json_output import as_json, print_json
from server.commands.zoo import zoo_add, zoo_check, zoo_import, zoo_publish, zoo_train
from submissions.zoos.tracks import in_words

_GOOD_SPREAD = 3
_cache = click.option(
    "--cache",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of trained zoos, instead of the one in the settings.",
)


@click.group()
def command() -> None:
    """Create and inspect model zoos."""


command.add_command(zoo_add.command)
command.add_command(zoo_check.command)
command.add_command(zoo_import.command)
command.add_command(zoo_publish.command)
command.add_command(zoo_train.command)


@command.command()
@click.argument("name", type=click.Choice(list(RECIPES)))
@_cache
def make(name: str, cache: Path | None) -> None:
    """Train the zoo of the recipe NAME, unless it is in the cache, and print its folder."""
    with ending_with(click.ClickException, ZooError):
        folder = make_zoo_in_child(name, (cache or settings_or_exit().cache).absolute())
    click.echo(folder)


@command.command(name="list")
@_cache
@as_json
def list_zoos(cache: Path | None, is_json: bool) -> None:
    """List the shipped recipes and the folders of those already trained."""
    folder = (cache or settings_or_exit().cache).absolute()
    listed = {name: (named_recipe(name), cached_zoo(name, folder)) for name in RECIPES}
    if is_json:
        print_json({"items": [_listed(*one) for one in listed.values()]})
    else:
        _print_list(listed)


def _listed(recipe: Recipe, trained: Path | None) -> dict[str, object]:
    """Return a recipe for scripts. folder: null if it is not trained."""
    return {
        "name": recipe.name,
        "title": recipe.title,
        "dataset": recipe.dataset.name,
        "networks": len(recipe.grid()),
        "siblings": recipe.siblings,
        "axes": [axis.name for axis in recipe.truth_axes()],
        "folder": None if trained is None else str(trained),
    }


def _print_list(listed: Mapping[str, tuple[Recipe, Path | None]]) -> None:
    table = Table()
    for heading in ("recipe", "title", "data", "networks", "axes", "folder"):
        table.add_column(heading, justify="right" if heading == "networks" else "left", overflow="fold")
    for name, (recipe, trained) in listed.items():
        networks = len(recipe.grid())
        table.add_row(
            name,
            recipe.title,
            recipe.dataset.name,
            f"{networks} + {networks * recipe.siblings} siblings" if recipe.siblings else str(networks),
            ", ".join(axis.name for axis in recipe.truth_axes()),
            _how_to_train(recipe) if trained is None else Text(str(trained)),
        )
    Console().print(table)


def _how_to_train(recipe: Recipe) -> str:
    if isinstance(recipe.dataset, FileData):
        return f"not trained yet: gengap zoo train {recipe.name} --data DIR, with the files of {recipe.dataset.name}"
    return f"not trained yet: gengap zoo make {recipe.name}"


@command.command()
@click.argument("zoo", metavar="ZOO")
def show(zoo: str) -> None:
    """Show the networks, axes and gaps of ZOO: a folder, or the name of a zoo."""
    with ending_with(InputError, ZooError):
        _print_zoo(find_zoo(zoo, settings_or_exit()))


def _print_zoo(zoo: Zoo) -> None:
    console = Console()
    manifest = zoo.manifest
    about = Table(show_header=False, box=None)
    about.add_column(style="bold")
    about.add_column(overflow="fold")
    for name, text in (
        ("zoo", f"{manifest.name}: {manifest.title}"),
        ("about", manifest.text),
        ("folder", str(zoo.folder)),
        ("dataset", f"{manifest.dataset.name} ({manifest.dataset.licence}); {manifest.dataset.text}"),
        ("inputs", f"{' × '.join(map(str, manifest.input_shape))}, {manifest.classes} classes"),
        ("networks", str(len(zoo.networks))),
        ("extended track", in_words(zoo.offers) or "no"),
    ):
        about.add_row(name, Text(text))
    console.print(about)
    if not zoo.has_truth:
        console.print("Only the public part of this zoo is here, so its axes and gaps are not known.")
        return
    summary = summarize_gaps(zoo.truth())
    console.print(_gaps(summary), _by_axis(summary))


def _gaps(summary: GapSummary) -> Table:
    table = Table(title="gap = train accuracy − test accuracy", title_justify="left")
    for heading in ("mean", "std", "least", "largest", "standard error of test accuracy", "spread"):
        table.add_column(heading, justify="right")
    numbers = (summary.mean, summary.std, summary.least, summary.largest, summary.standard_error)
    verdict = "" if summary.spread >= _GOOD_SPREAD else f" (noisy: less than {_GOOD_SPREAD})"
    table.add_row(*(f"{number:.4f}" for number in numbers), f"{summary.spread:.1f}{verdict}")
    return table


def _by_axis(summary: GapSummary) -> Table:
    table = Table(title="mean gap at each value of each axis", title_justify="left")
    table.add_column("axis")
    table.add_column("value: mean gap", overflow="fold")
    for axis, means in summary.by_axis.items():
        table.add_row(Text(axis), Text("   ".join(f"{_printed(value)}: {mean:.4f}" for value, mean in means)))
    return table


def _printed(value: AxisValue) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
