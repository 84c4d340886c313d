"""`gengap evaluate`: evaluates a measure on a zoo, in the same sandbox and with the same scoring as the server.

The sandbox starts first, since that takes longest; what the rest needs is imported meanwhile.
"""

import json
from pathlib import Path
from typing import Any

import click

from server.commands.common import settings_or_exit
from server.commands.errors import InputError
from server.commands.limit_options import limit_options
from server.commands.local.warm_pool import warm_pool

OUTPUT_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--zoo", "zoo_name", required=True, help="A zoo folder, or the name of a zoo, e.g. digits-mlp.")
@click.option("--target", default="gap", show_default=True, help="What the values should order, as in a phase.")
@click.option(
    "--networks",
    type=click.IntRange(1),
    metavar="N",
    help="Evaluate at most N networks: a complete part of the zoo's grid, the same each time.",
)
@click.option("--only", multiple=True, metavar="ID", help="Evaluate this network alone, without a score; repeatable.")
@click.option("--show-output", is_flag=True, help="Show what the measure prints and warns, network by network.")
@click.option("--profile", is_flag=True, help="Show where the time goes: loading, forward passes, the measure's lines.")
@click.option(
    "--repeat",
    type=click.IntRange(2),
    metavar="K",
    help="Evaluate K times: is the measure deterministic (2), and how noisy (3 or more)?",
)
@click.option(
    "--compare",
    "other_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Another measure's values, as --save writes them or as --json prints: is the difference more than chance?",
)
@click.option(
    "--save", type=OUTPUT_FILE, metavar="FILE", help="Write the values as JSON, as `gengap score` reads them."
)
@click.option("--plot", type=OUTPUT_FILE, metavar="FILE", help="Draw values against the target, as .svg or .png.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else on stdout.")
@click.option("--jobs", type=click.IntRange(1), help="Networks evaluated at a time (default: processors).")
@limit_options(any_positive=True)
def command(file: Path, zoo_name: str, as_json: bool, **options: Any) -> None:
    """Evaluate the measure in FILE (.py or .zip) on a zoo.

    Ctrl-C ends it and prints what there is. Exit status: 0 scored, 1 the measure failed, 2 wrong usage or input, 130
    interrupted.
    """
    try:
        settings = settings_or_exit()
        pool = warm_pool(settings, file, options["jobs"])
        from server.commands.local.evaluation_command import run  # noqa: PLC0415  (while the sandbox starts)

        status = run(file, zoo_name, options, settings, pool, as_json=as_json)
    except InputError as error:
        if as_json:
            click.echo(json.dumps({"error": error.message}))
        raise
    raise SystemExit(status)
