"""`gengap zoo publish`: packs a zoo's public part for participants, with the truth only on request."""

from pathlib import Path

import click

from model_zoo import ZooError
from model_zoo.publish import publish
from server.commands.common import find_zoo, settings_or_exit
from server.commands.errors import InputError, ending_with


@click.command(name="publish")
@click.argument("zoo", metavar="ZOO")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The file (NAME.zip) or folder to create; it must not exist.",
)
@click.option("--with-truth", is_flag=True, help="Also hyperparameters and metrics: every gap can then be read.")
@click.option("--with-test", is_flag=True, help="Also the labelled test data: every gap can then be computed.")
def command(zoo: str, out: Path, with_truth: bool, with_test: bool) -> None:
    """Pack the public part of ZOO (a folder, or the name of a zoo) and print where it is.

    The public part contains what measures may read: networks, training data and, for the extended track, siblings,
    trajectories and unlabelled inputs.
    """
    with ending_with(InputError, ZooError):
        opened = find_zoo(zoo, settings_or_exit())
        publish(opened, out.absolute(), with_truth=with_truth, with_test=with_test)
    if with_truth and not opened.manifest.truth_public:
        click.echo(f"The truth of {opened.name} is hidden, but this file contains it.", err=True)
    click.echo(out.absolute())
