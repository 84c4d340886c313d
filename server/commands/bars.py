"""Progress bars on stderr, which disappear when the work is done. Nothing is shown where stderr is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)


@contextmanager
def bars(*columns: ProgressColumn) -> Iterator[Callable[[str, int, int | None], None]]:
    """Show a bar for each part of the work; call the result with a part's name and how many of how many are done."""
    with _progress(*columns) as progress:
        tasks: dict[str, TaskID] = {}

        def tell(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield tell


@contextmanager
def step_bar(begin: str) -> Iterator[Callable[[int, int, str], None]]:
    """Show one bar; call the result with how many of how many are done, and the current step."""
    with _progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as progress:
        task = progress.add_task(begin, total=None)
        yield lambda done, total, text: progress.update(task, completed=done, total=total, description=text)


def _progress(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    name = TextColumn("{task.description}", markup=False)
    return Progress(name, *columns, console=console, transient=True, disable=not console.is_terminal)
