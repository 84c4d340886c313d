"""Tables of the documentation that are made from the code: `make docs` writes them, a test compares them."""

import ast
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click

from server.cli import main
from server.presentation.formats import amount, size
from submissions.baselines import BASELINES, HELPERS
from submissions.competitions.phases import default_plan
from submissions.intake.bundle import MAX_SOURCE_BYTES, MAX_SOURCES_BYTES, BundleLimits
from submissions.people.tokens import SCOPES
from submissions.settings import Settings
from submissions.storage.limits import LIMITS, Limit
from submissions.storage.states import SENTENCES, Reason
from tests.baselines.transcriptions import TRANSCRIPTIONS
from tests.baselines.verification import KINDS, kept_rows
from tests.worker.matrix import (
    test_matrix_answers,
    test_matrix_carry,
    test_matrix_channels,
    test_matrix_forgery,
    test_matrix_legitimate,
    test_matrix_limits,
    test_matrix_reach,
)
from tests.worker.matrix.test_matrix_carry import Carry
from tests.worker.matrix.test_matrix_channels import Talk
from tests.worker.matrix.test_matrix_legitimate import HONEST
from tests.worker.sandbox.probes import Probe

DOCS = Path(__file__).parents[2] / "docs"
COMPUTED_DEFAULTS = {
    "home": "`~/.local/share/gengap`",
    "cache": "`~/.cache/gengap`",
    "zoo_cache": "`zoos` in `GENGAP_CACHE`",
    "data_folder": "`data` in `GENGAP_CACHE`",
    "worker_slots": "number of processors",
    "verified_mail_needed": "whether `GENGAP_SMTP_HOST` is set",
}


def settings_table() -> str:
    rows = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = COMPUTED_DEFAULTS[name] if field.default_factory else _shown(field.default)
        rows.append(f"| `GENGAP_{name.upper()}` | {default} | {field.description} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if isinstance(default, tuple):
        return f"`{json.dumps(default)}`"
    return "empty" if str(default) == "" else f"`{str(default).lower() if isinstance(default, bool) else default}`"


def scopes_table() -> str:
    return "\n".join(["| scope | what it allows |", "|---|---|", *(f"| `{one}` | {SCOPES[one]} |" for one in SCOPES)])


def commands_table() -> str:
    rows = [f"| `{usage}` | {text} |" for usage, text in _commands(main, click.Context(main, info_name="gengap"))]
    return "\n".join(["| command | what it does |", "|---|---|", *rows])


def _commands(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """Every command with its arguments, and the first sentence that its help says."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _commands(inner, click.Context(inner, info_name=name, parent=context))
    else:
        pieces = command.collect_usage_pieces(context)
        arguments = ["NAME" if piece.startswith("{") else piece for piece in pieces if piece != "[OPTIONS]"]
        text = " ".join((command.help or "").split("\n\n")[0].split())
        yield " ".join([context.command_path, *arguments]), text.replace("|", "\\|")


def reasons_table() -> str:
    rows = ["| reason | what happened |", "|---|---|"]
    rows += [f"| `{reason}` | {SENTENCES[reason]} |" for reason in Reason]
    return "\n".join(rows)


def limits_table() -> str:
    """What participants are limited to: each network, and their uploads."""
    upload = BundleLimits()
    rows = {limit.title: _default(limit) for limit in LIMITS} | {
        "submissions in 24 hours": str(default_plan().daily_quota),
        "an upload": size(upload.upload_bytes),
        "an upload's files, unpacked": f"{size(upload.unpacked_bytes)} in {upload.unpacked_files} files",
        "one Python file": size(MAX_SOURCE_BYTES),
        "all Python files of a zip": size(MAX_SOURCES_BYTES),
    }
    return "\n".join(["| limit | default |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def network_limits_table() -> str:
    """Each limit of a network with its name in the API, bounds and explanation, for organizers."""
    rows = ["| limit | in the API | default | bounds | what it bounds |", "|---|---|---|---|---|"]
    for one in LIMITS:
        bounds = f"{one.bounds}, or none" if one.is_optional else one.bounds
        rows.append(f"| {one.title} | `{one.name}` | {_default(one)} | {bounds} | {one.help} |")
    return "\n".join(rows)


def _default(limit: Limit) -> str:
    return "none" if limit.default is None else amount(limit, limit.default)


MATRIX = (
    test_matrix_limits,
    test_matrix_reach,
    test_matrix_channels,
    test_matrix_answers,
    test_matrix_forgery,
    test_matrix_carry,
    test_matrix_legitimate,
)


def matrix_tables() -> str:
    """For each module of the sandbox's probe matrix: its attacks, how they end, what stops them, which test it is."""
    return "\n\n".join(_module_table(module) for module in MATRIX)


def _module_table(module: ModuleType) -> str:
    summary = inspect.getdoc(module) or ""
    subject = summary.partition(": ")[2].splitlines()[0].rstrip(".")
    rows = [
        f"**{subject[0].upper()}{subject[1:]}** (`{module.__name__.replace('.', '/')}.py`)",
        "",
        "| attack | what happens | layers that stop it | test |",
        "|---|---|---|---|",
    ]
    for test, probe in probes_of(module):
        attack = probe.attack.replace("|", "\\|")
        rows.append(f"| {attack} | {probe.what_happens} | {', '.join(probe.stopped_by)} | `{test}` |")
    return "\n".join(rows)


def probes_of(module: ModuleType) -> Iterator[tuple[str, Probe | Carry | Talk]]:
    """Each probe that a module's tests are parametrised with, in order, with the test's name."""
    for name, test in vars(module).items():
        for mark in getattr(test, "pytestmark", ()) if name.startswith("test_") else ():
            for case in mark.args[1] if mark.name == "parametrize" else ():
                probe = case.values[0] if hasattr(case, "values") and not isinstance(case, dict) else case
                if isinstance(probe, Probe | Carry | Talk):
                    yield name, probe


def honest_list() -> str:
    """What honest measures may use, as it is tested."""
    return "\n".join(f"- {name}" for name in HONEST)


def measures_table() -> str:
    """Every shipped measure, by group, with the first sentence of its docstring."""
    rows = ["| group | measure | what it looks at | source | cost |", "|---|---|---|---|---|"]
    for baseline in BASELINES:
        link = f"[{baseline.name}](../submissions/baselines/{baseline.group}/{baseline.filename})"
        summary = _summary(ast.parse(baseline.path.read_bytes()))
        rows.append(f"| {baseline.group} | {link} | {summary} | {baseline.source} | {baseline.cost} |")
    return "\n".join(rows)


def verification_table() -> str:
    """What each measure was compared with, how far they agree, and why a measure differs from its publication."""
    found = {(row["measure"], row["zoo"]): row for row in kept_rows()}
    rows = [
        "| measure | publication | agrees to: dense | conv. | open choices; why it differs | τ: dense | conv. |",
        "|---|---|---|---|---|---|---|",
    ]
    for baseline in BASELINES:
        entry, worst, taus = TRANSCRIPTIONS[baseline.name], [], []
        for zoos in KINDS.values():
            row = next(found[baseline.name, zoo] for zoo in zoos if (baseline.name, zoo) in found)
            worst.append(row["worst_difference"])
            taus.append(row["kendall_tau"].replace("nan", "–") if entry.reason else "")
        words = " ".join([entry.choices, f"**Differs:** {entry.reason}" if entry.reason else ""]).strip()
        cells = [baseline.name, entry.source, *worst, words.replace("|", "\\|"), *taus]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def helpers_table() -> str:
    """What `from gengap_measures import …` gives, by module, with the first sentence of its docstring."""
    modules = {path.stem: ast.parse(path.read_bytes()) for path in sorted(HELPERS.glob("*.py"))}
    rows = ["| module | name | what it is |", "|---|---|---|"]
    for statement in modules.pop("__init__").body:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            module = statement.module.rpartition(".")[2]
            defined = {node.name: node for node in modules[module].body if isinstance(node, _DEFINITIONS)}
            rows += [f"| `{module}` | `{name.name}` | {_summary(defined[name.name])} |" for name in statement.names]
    return "\n".join(rows)


_DEFINITIONS = ast.FunctionDef | ast.ClassDef


def _summary(node: ast.Module | ast.FunctionDef | ast.ClassDef) -> str:
    """The first paragraph of a docstring, as a cell of a table."""
    paragraph = (ast.get_docstring(node) or "").partition("\n\n")[0]
    return " ".join(paragraph.split()).replace("|", "\\|")


TABLES = {
    DOCS / "api.md": {"scopes": scopes_table},
    DOCS / "command-line.md": {"commands": commands_table},
    DOCS / "organizer.md": {"network-limits": network_limits_table},
    DOCS / "operations.md": {"settings": settings_table},
    DOCS / "sandbox.md": {"honest": honest_list, "matrix": matrix_tables},
    DOCS / "measure-api.md": {"limits": limits_table, "reasons": reasons_table},
    DOCS / "measures.md": {"helpers": helpers_table, "measures": measures_table, "verification": verification_table},
}


def with_tables(path: Path) -> str:
    """The page's text with every generated table as the code would have it."""
    text = path.read_text()
    for name, table in TABLES[path].items():
        start, end = f"<!-- {name}: written by `make docs` -->\n", "<!-- end -->"
        before, found, rest = text.partition(start)
        _, ended, after = rest.partition(end)
        if not (found and ended):
            raise ValueError(f"{path} has no place for the table {name}")
        text = f"{before}{start}{table()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for page in TABLES:
        page.write_text(with_tables(page))
