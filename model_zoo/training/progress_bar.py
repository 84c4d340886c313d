"""Shows the progress of a training as a bar in the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from model_zoo.training.training_process import Progress, Watcher


@contextmanager
def training_bar(name: str, console: Console) -> Iterator[Watcher]:
    """Show a progress bar while the block runs.

    Parameters
    ----------
    name : str
        Its label.
    console : rich.console.Console

    Yields
    ------
    callable
        Shows a Progress.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("networks{task.fields[further]}"),
        TimeElapsedColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task(name, total=None, further="")

        def watch(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, further=_further(progress))

        yield watch


def _further(progress: Progress) -> str:
    loss = "" if progress.loss is None else f", loss {progress.loss:.3f}"
    if progress.left_s is None:
        return loss
    minutes, seconds = divmod(round(progress.left_s), 60)
    return f"{loss}, {minutes}:{seconds:02} left"
