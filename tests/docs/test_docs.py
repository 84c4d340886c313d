"""What the pages of the documentation show is executed or compared with the code."""

import math
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import torch
from sqlalchemy import select
from torch import nn

from model_zoo.architectures import Context, Moment, TrainingData
from server.cli import main
from server.commands.participant.stored_logins import TOKEN_VARIABLE, URL_VARIABLE
from submissions.intake.bundle import BundleLimits, read_bundle
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, UserRecord, utc_now
from submissions.storage.states import State
from tests.docs.tables import COMPUTED_DEFAULTS, DOCS, TABLES, with_tables

ROOT = DOCS.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """(where, text) of every fenced block of a language."""
    for page in PAGES:
        for found in re.finditer(rf"^```{language}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE):
            line = page.read_text().count("\n", 0, found.start()) + 1
            yield f"{page.relative_to(ROOT)}:{line}", found[1]


def parametrize(cases: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("text", [pytest.param(text, id=where) for where, text in cases])


RUN_ELSEWHERE = {
    "api.md": "tests/server/api/test_documentation.py",
    "metrics.md": "tests/scoring/test_documentation.py",
    "participant.md": "tests/gengap/test_evaluate.py",
}  # page: the test of its own room
PYTHON = list(blocks("python"))
MEASURES = [(where, text) for where, text in PYTHON if "def complexity" in text]
COMMANDS = [(where, line) for where, text in blocks("bash") for line in text.splitlines() if line.startswith("gengap ")]
MENTIONED = [
    (f"{page.relative_to(ROOT)}:{found[1]}", found[1])
    for page in PAGES
    for found in re.finditer(r"`(gengap [a-z][^`\n]*)`", page.read_text())
]
MAKE = [
    (f"{page.relative_to(ROOT)}:{found[1]}", found[1])
    for page in PAGES
    for found in re.finditer(r"(?:^|`)make ([a-z]+)(?:$|`)", page.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.name)
def test_the_tables_are_what_the_code_says(page: Path) -> None:
    assert page.read_text() == with_tables(page), "run `make docs`"


def test_only_defaults_that_depend_on_the_machine_are_written_by_hand() -> None:
    computed = {name for name, field in Settings.model_fields.items() if field.default_factory}
    assert computed == COMPUTED_DEFAULTS.keys()


def test_the_participants_page_explains_every_state() -> None:
    table = (DOCS / "participant.md").read_text().partition("\n| state |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| (\w+) \| .+ \|$", table, re.MULTILINE) == [*State]


@parametrize(MEASURES)
def test_each_measure_shown_gives_a_value(text: str) -> None:
    bundle = read_bundle("shown.py", text.encode(), BundleLimits())
    torch.manual_seed(0)
    network, initial = (nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval() for _ in range(2))
    object.__setattr__(network, "initial", initial)
    names: dict[str, object] = {}
    exec(bundle.files["complexity.py"], names)
    function = names["complexity"]
    assert callable(function)
    siblings = tuple(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval() for _ in range(2))
    context = Context(siblings, torch.rand(5, 1, 2, 2), (Moment(1.0, initial), Moment(2.0, siblings[0])))
    further = (context,) if bundle.track == "extended" else ()
    assert math.isfinite(function(network, TrainingData(torch.rand(9, 1, 2, 2), torch.arange(9) % 3, 3), *further))


def test_the_organizers_command_makes_an_organizer(tmp_path: Path) -> None:
    (shown,) = {line for _, line in COMMANDS if line.startswith("gengap account organizer")}
    command = [sys.executable, "-m", "server.cli", *shlex.split(shown)[1:]]
    environment = os.environ | {"GENGAP_HOME": str(tmp_path)}
    subprocess.run(command, env=environment, cwd=ROOT, check=True, input=b"a long password of one's own\n")
    database = Database(f"sqlite:///{tmp_path / 'gengap.sqlite'}")
    with database.read() as session:
        assert [user.role for user in session.scalars(select(UserRecord))] == ["organizer"]
    database.close()


@pytest.mark.thorough
def test_the_three_commands_lead_from_a_recipe_to_an_open_phase(tmp_path: Path) -> None:
    shown = [text for _, text in blocks("bash") if "gengap phase open" in text]
    assert len(shown) == 1
    environment = os.environ | {"GENGAP_HOME": str(tmp_path / "home"), "GENGAP_ZOO_CACHE": str(tmp_path / "cache")}
    told = []
    for line in shown[0].splitlines():
        command = [sys.executable, "-m", "server.cli", *shlex.split(line)[1:]]
        done = subprocess.run(command, env=environment, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True)
        told.append(done.stdout)
    assert len(told) == 3
    database = Database(f"sqlite:///{tmp_path / 'home' / 'gengap.sqlite'}")
    with database.read() as session:
        (phase,) = session.scalars(select(PhaseRecord)).all()
        assert [zoo.label for zoo in phase.zoos] == ["digits-mlp@1"]
        assert phase.opens_at <= utc_now()
        assert told[-1] == f"/competitions/{phase.competition.slug}/{phase.slug}/leaderboard\n"
    database.close()


def test_every_python_example_is_run_by_some_test() -> None:
    run_here = {where for where, _ in MEASURES}
    for where, _ in PYTHON:
        page = Path(where.partition(":")[0]).name
        elsewhere = page in RUN_ELSEWHERE and page in (ROOT / RUN_ELSEWHERE[page]).read_text()
        assert where in run_here or elsewhere, f"nothing runs {where}"


@parametrize(COMMANDS + MENTIONED)
def test_each_command_shown_exists_with_its_options(text: str) -> None:
    command: click.Command = main
    words = text.split()[1:]
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, f"no such command: {text}"
        command = found
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-") and word != "-"} <= known


@parametrize(MAKE)
def test_each_make_target_shown_exists(text: str) -> None:
    assert re.search(rf"^{text}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_each_variable_shown_is_a_setting() -> None:
    shown = {name for page in PAGES for name in re.findall(r"GENGAP_[A-Z_]+", page.read_text())}
    of_the_client = {URL_VARIABLE, TOKEN_VARIABLE}
    assert shown == {f"GENGAP_{name.upper()}" for name in Settings.model_fields} | of_the_client


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?://)([^)#]*)#?([^)]*)\)", page.read_text()):
        linked = (page.parent / target).resolve() if target else page
        assert linked.exists(), f"{page.name} links to {target}, which does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}


def test_the_index_lists_every_page() -> None:
    text = (DOCS / "index.md").read_text()
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} <= set(re.findall(r"\(([\w-]+\.md)\)", text))
