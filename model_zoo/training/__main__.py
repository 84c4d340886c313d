"""The command `python -m model_zoo.training RECIPE`, which trains a zoo in this process.

`training_process` and `trained_zoos` start it. Progress goes to stderr as a bar, or with --json-progress to stdout as
lines of JSON; the zoo's folder goes to stdout.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
import torch
from rich.console import Console

from model_zoo.manifest import ZooError
from model_zoo.recipes import named_recipe, read_recipe
from model_zoo.training.make import make_zoo, train_zoo
from model_zoo.training.progress_bar import training_bar
from model_zoo.training.training_process import TrainingOptions, Watcher

_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("recipe")
@click.option("--cache", type=_FOLDER, help="Make the shipped RECIPE's zoo in this cache, unless it is there.")
@click.option("--out", type=_FOLDER, help="Train the zoo of RECIPE, a name or a TOML file, to this new folder.")
@click.option("--data", type=_FOLDER, help="Folder of downloaded datasets.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu")
@click.option("--jobs", type=click.IntRange(min=1))
@click.option("--key", type=click.Path(dir_okay=False, path_type=Path), help="File with the key of a hidden zoo.")
@click.option("--json-progress", is_flag=True)
def main(
    recipe: str,
    cache: Path | None,
    out: Path | None,
    data: Path | None,
    device: str,
    jobs: int | None,
    key: Path | None,
    json_progress: bool,
) -> None:
    """Train the zoo of RECIPE and print its folder."""
    options = TrainingOptions(data, device, jobs, key)
    try:
        if device == "cuda" and not torch.cuda.is_available():
            raise ZooError("--device cuda: torch finds no GPU here; leave the option out, or install torch for CUDA")
        with _watcher(recipe, json_progress) as watch:
            if cache is not None:
                folder = make_zoo(recipe, cache.absolute(), watch, options)
            elif out is not None:
                folder = out.absolute()
                found = read_recipe(Path(recipe)) if recipe.endswith(".toml") else named_recipe(recipe)
                train_zoo(found, folder, watch, options)
            else:
                raise click.UsageError("give --cache or --out")
    except ZooError as error:
        if not json_progress:
            raise click.ClickException(str(error)) from None
        click.echo(json.dumps({"error": str(error)}))
        raise SystemExit(1) from None
    click.echo(json.dumps({"folder": str(folder)}) if json_progress else folder)


@contextmanager
def _watcher(recipe: str, json_progress: bool) -> Iterator[Watcher]:
    if json_progress:
        yield lambda progress: click.echo(json.dumps(asdict(progress)))
        return
    with training_bar(recipe, Console(stderr=True)) as watch:
        yield watch


if __name__ == "__main__":
    main()
