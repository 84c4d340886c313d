"""`python -m model_zoo.training NAME --cache DIR`: make a zoo, progress on stderr, its folder on stdout."""

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from model_zoo.manifest import ZooError
from model_zoo.recipes import RECIPES
from model_zoo.training.make import make_zoo
from model_zoo.training.pool import Progress


@click.command()
@click.argument("name", type=click.Choice(list(RECIPES)))
@click.option("--cache", type=click.Path(file_okay=False, path_type=Path), required=True, help="Cache folder.")
def main(name: str, cache: Path) -> None:
    """Train the zoo of the recipe NAME unless the cache folder has it, and print its folder."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("networks, loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None, loss=float("nan"))

        def watch(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, loss=progress.loss)

        try:
            folder = make_zoo(name, cache.absolute(), watch)
        except ZooError as error:
            raise click.ClickException(str(error)) from None
    click.echo(folder)


if __name__ == "__main__":
    main()
