"""The command `python -m model_zoo.checks FOLDER`: checks a zoo and prints JSON lines.

    {"done": 3, "total": 96, "text": "networks"}
    {"report": {…}}

The last line is the report; `worker.zoo_intake.check_process` runs the command and reads the lines. A failure of the
check itself is one line on stderr and exit status 1.
"""

import json
from pathlib import Path

import click
import torch

from model_zoo.checks.runner import check_folder
from model_zoo.checks.torch_measurer import Measurer
from model_zoo.manifest import ZooError


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--jobs", type=click.IntRange(1), help="Networks measured at a time (default: processors).")
def main(folder: Path, jobs: int | None) -> None:
    """Check the zoo in FOLDER and print the report."""
    torch.set_num_threads(1)  # the threads are ours: one network each
    try:
        report = check_folder(folder, Measurer, watch=_tell, jobs=jobs)
    except ZooError as error:
        raise click.ClickException(str(error)) from None
    click.echo(json.dumps({"report": report.model_dump(mode="json")}))


def _tell(done: int, total: int, text: str) -> None:
    click.echo(json.dumps({"done": done, "total": total, "text": text}))


if __name__ == "__main__":
    main()
