"""The web process stays lean: what importing the application must not bring along, and who writes the database."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_importing_the_application_imports_no_torch() -> None:
    code = "import sys, server.app; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    assert {"flask", "submissions", "model_zoo"} <= modules
    assert not {"torch", "sklearn", "altair", "pandas"} & modules


def test_only_submissions_opens_a_transaction_that_writes() -> None:
    sources = [path for room in ("server", "worker") for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 100
    assert [str(path) for path in sources if ".write()" in path.read_text()] == []


RAW = {"EvaluationRecord", "ValueRecord", "FailureRecord", "RunRecord", "StandingRecord"}
OF_SUBMISSIONS = {"score", "standard_error", "lower_bound", "shown_score", "evaluations"}


def test_the_site_reads_no_result_that_the_disclosure_has_not_passed() -> None:
    """Results come from `submissions.results` and what is built on it; the records of results stay in `submissions`."""
    rooms = ("api", "auth", "charts", "downloads", "forms", "http", "pages", "presentation")
    for path in (path for room in rooms for path in (ROOT / "server" / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                assert node.module != "submissions.results.jackknives", path
                if node.module.startswith("submissions.storage"):
                    assert not {alias.name for alias in node.names} & RAW, path
            if isinstance(node, ast.Attribute) and node.attr in OF_SUBMISSIONS:
                assert not _is_submission(node.value), f"{path} line {node.lineno}: {ast.unparse(node)}"


def _is_submission(node: ast.expr) -> bool:
    """Whether an expression is, by its name, the record of a submission."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in {"the_submission", "submission_named"}
    return isinstance(node, ast.Name) and node.id in {"submission", "record", "first", "second", "old"}
