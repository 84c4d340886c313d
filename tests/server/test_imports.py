"""The web process stays lean: what importing the application must not bring along, and who writes the database."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

from sqlalchemy import inspect

from submissions.storage import site_records
from submissions.storage.records import (
    EvaluationRecord,
    FailureRecord,
    PhaseRecord,
    Record,
    RunRecord,
    StandingRecord,
    SubmissionRecord,
    ValueRecord,
)
from submissions.storage.submission_head import SubmissionHead

ROOT = Path(__file__).parents[2]


def test_importing_the_application_imports_no_torch() -> None:
    code = "import sys, server.app; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(result.stdout.split())
    assert {"flask", "submissions", "model_zoo"} <= modules
    assert not {"torch", "sklearn", "altair", "pandas"} & modules


def test_only_submissions_opens_a_transaction_that_writes() -> None:
    sources = [path for room in ("gengap", "server", "worker") for path in (ROOT / room).rglob("*.py")]
    assert len(sources) > 100
    assert [str(path) for path in sources if ".write()" in path.read_text()] == []


OF_RESULTS = {"score", "standard_error", "lower_bound", "shown_score", "evaluations"}


def test_what_the_site_gets_of_a_submission_has_no_result() -> None:
    """That it gets nothing else holds a contract of import-linter in pyproject.toml."""
    assert {column.key for column in inspect(SubmissionRecord).attrs} >= OF_RESULTS
    assert not {field.name for field in fields(SubmissionHead)} & OF_RESULTS


def test_no_record_that_the_site_reads_leads_to_a_submission() -> None:
    records = [one for one in vars(site_records).values() if isinstance(one, type) and issubclass(one, Record)]
    assert PhaseRecord in records
    of_results = {SubmissionRecord, EvaluationRecord, ValueRecord, FailureRecord, RunRecord, StandingRecord}
    for record in records:
        assert not of_results & set(_reached(record)), record


def _reached(record: type[Record]) -> Iterator[type[Record]]:
    """A record's class, and those of all others to which its relationships lead."""
    found, waiting = set[type[Record]](), [record]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += [relationship.mapper.class_ for relationship in inspect(one).relationships]
            yield one
