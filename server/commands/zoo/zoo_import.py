"""`gengap zoo import pgdl|torch`: makes a zoo from networks trained elsewhere. It runs in a child, so no torch here."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from model_zoo import ZooError
from model_zoo.importers.import_process import Kind, import_in_child
from server.commands.bars import step_bar
from server.commands.errors import ending_with

Command = TypeVar("Command", bound=Callable[..., object])

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


def _common(command: Command) -> Command:
    """Add the options of every import; all but --out have defaults."""
    for option in reversed(
        (
            click.option("--out", type=_FOLDER, required=True, help="New folder of the zoo."),
            click.option("--name", help="Name of the zoo; by default from the folder it is imported from."),
            click.option("--title", default="", help="Title for people; default: the name."),
            click.option("--text", default="", help="Description of the zoo."),
            click.option("--licence", default="", help="Licence of the networks."),
            click.option("--citation", default="", help="What to cite."),
            click.option("--dataset", "dataset_name", default="", help="Name of the dataset."),
            click.option("--dataset-source", default="", help="Where the dataset comes from."),
            click.option("--dataset-licence", default="", help="Licence of the dataset."),
            click.option("--dataset-text", default="", help="Description of the dataset."),
            click.option("--target", "targets", multiple=True, default=("gap",), help="A target; may be repeated."),
            click.option("--truth-public", is_flag=True, help="Let pages show gaps and axes."),
            click.option(
                "--test-size", type=click.IntRange(min=1), help="Number of test examples, if there are no test data."
            ),
            click.option("--initial/--no-initial", "with_initial", default=True, help="Import the initial weights."),
            click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="To compute on."),
        )
    ):
        command = option(command)
    return command


@click.group(name="import")
def command() -> None:
    """Make a zoo from networks trained elsewhere."""


@command.command()
@click.argument("task", type=_FOLDER)
@click.option(
    "--reference",
    type=click.Path(path_type=Path),
    help="model_configs.json, its folder, or reference_data; default: TASK/model_configs.json.",
)
@click.option(
    "--keras-layers/--no-keras-layers",
    "with_keras_layers",
    default=True,
    help="Show measures where Keras' layers began, with dropout's places.",
)
@_common
def pgdl(**arguments: object) -> None:
    """Import a task of PGDL from its folder TASK, which is input_data/<task>. TensorFlow is not needed."""
    _import("pgdl", arguments)


@command.command()
@click.argument("folder", type=_FOLDER)
@click.option("--architecture", type=_FILE, help="The declaration of all networks, unless the table names them.")
@click.option("--table", type=_FILE, required=True, help="Hyperparameters and metrics: a CSV or JSON file.")
@click.option("--train", type=_FILE, help="Training data; default: train.safetensors or train.npz in FOLDER.")
@click.option("--test", type=_FILE, help="Test data; default: test.safetensors or test.npz in FOLDER, if it exists.")
@_common
def torch(**arguments: object) -> None:
    """Import the state_dicts or safetensors files in FOLDER, which a table describes."""
    _import("torch", arguments)


def _import(kind: Kind, arguments: dict[str, object]) -> None:
    with ending_with(click.ClickException, ZooError), step_bar("starting") as watch:
        report = import_in_child(kind, arguments, watch)
    for sentence in report.sentences():
        click.echo(sentence, err=True)
    click.echo(report.folder)
