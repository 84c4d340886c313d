"""`gengap score`: scores a file of values against a file with the truth; needs no server, no database.

Owns reading the two files strictly and printing a score; `scoring` does the rest. Called by `server.cli`.
"""

import json
from collections import Counter
from pathlib import Path
from typing import NoReturn

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from scoring import VARIANTS, ScoringError, ValuesError, Variant, ZooScore, parse_truth, score_zoo
from server.commands.errors import InputError


@click.command()
@click.option(
    "--truth",
    "truth_file",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A zoo's private/truth.json, or PGDL's model_configs.json.",
)
@click.option(
    "--values",
    "values_file",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A JSON object: network id to number (PGDL's .predict).",
)
@click.option(
    "--variant",
    type=click.Choice(VARIANTS),
    default="pgdl2020",
    show_default=True,
    help="Which conditional mutual information to compute.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, unrounded, and nothing else.")
def command(truth_file: Path, values_file: Path, variant: Variant, as_json: bool) -> None:
    """Score values against a truth.

    Prints the conditional mutual information (CMI), Kendall's tau and the CMI under every conditioning set.
    Exit status: 0 scored, 2 wrong usage or input.
    """
    truth_content = read_json(truth_file, "truth")
    values_content = read_json(values_file, "values")
    if not isinstance(values_content, dict):
        raise InputError(f"the values file {str(values_file)!r} must hold a JSON object: network id → number")
    try:
        score = score_zoo(parse_truth(truth_content), values_content, variant)
    except ValuesError as error:
        raise InputError(f"the values file {str(values_file)!r}: {error}") from error
    except ScoringError as error:
        raise InputError(f"the truth file {str(truth_file)!r}: {error}") from error
    if as_json:
        click.echo(json.dumps(score.as_json(), allow_nan=False))
    else:
        print_score(score)


def read_json(path: Path, role: str) -> object:
    """The file's content. Raises InputError, naming the file and the place, for anything but strict JSON."""
    where = f"the {role} file {str(path)!r}"
    try:
        text = path.read_bytes().decode("utf-8-sig")
        return json.loads(text, object_pairs_hook=_refuse_repeated_keys, parse_constant=_refuse_constant)
    except OSError as error:
        raise InputError(f"{where} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} is not UTF-8 text: byte {error.start} is {error.object[error.start]:#04x}"
        ) from error
    except json.JSONDecodeError as error:
        raise InputError(f"{where} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} cannot be used: {error}") from error


def print_score(score: ZooScore) -> None:
    """The score as tables for people, rounded; on stdout."""
    console = Console()
    summary = Table(show_header=False, box=None)
    summary.add_column(justify="left", style="bold")
    summary.add_column(justify="right")
    tau_b = "undefined" if score.kendall_tau_b is None else f"{score.kendall_tau_b:.4f}"
    for name, text in (
        ("score (100 × CMI)", f"{score.score:.2f}"),
        ("CMI", f"{score.cmi:.6f}"),
        ("Kendall's τ-a", f"{score.kendall_tau:.4f}"),
        ("Kendall's τ-b", tau_b),
        ("networks", str(score.networks)),
        ("target", score.target),
        ("variant", score.variant),
    ):
        summary.add_row(name, Text(text))
    console.print(summary)
    console.print(_by_set(score))
    if score.without_uncertainty:
        console.print(
            "These axes fix the order of the target, so no value can tell more about it; "
            + ("such sets count 0, as in PGDL." if score.variant == "pgdl2020" else "such sets are left out.")
        )


def _by_set(score: ZooScore) -> Table:
    table = Table(title="CMI by conditioning set", title_justify="left")
    table.add_column("axes held fixed")
    table.add_column("100 × CMI", justify="right")
    table.add_column("")
    for axes, value in score.cmi_table.items():
        notes = []
        if axes == score.attained_by:
            notes.append("smallest")
        if axes in score.without_uncertainty:
            notes.append("nothing left to predict")
        table.add_row(
            Text(_printable(" × ".join(axes) or "none")),
            "—" if value is None else f"{100 * value:.2f}",
            ", ".join(notes),
            style="bold" if axes == score.attained_by else None,
        )
    return table


def _printable(text: str) -> str:
    # JSON can spell lone surrogates, which no stream can encode.
    return text.encode(errors="replace").decode()


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    content = dict(pairs)
    if len(content) < len(pairs):
        key, times = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {key!r} occurs {times} times in one object; keep one")
    return content


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is not JSON; every number must be finite")
