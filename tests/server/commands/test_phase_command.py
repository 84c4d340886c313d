"""`gengap zoo add` and `gengap phase open`: from a folder to an open phase, and what is said on the way."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from server.cli import main
from submissions.settings import Settings
from submissions.storage.audit import acts
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, TimeRule, ZooRecord
from tests.records import Records

Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs `gengap` on a home of its own."""
    environment = {"GENGAP_HOME": str(tmp_path / "home"), "GENGAP_ZOO_CACHE": str(tmp_path / "zoos")}
    return lambda *arguments: CliRunner().invoke(main, arguments, env=environment)


@pytest.fixture
def db(run: Run, tmp_path: Path) -> Iterator[Database]:
    run("phase", "open", "x/y", "--zoo", "none")  # makes the database
    db = Database(Settings(home=tmp_path / "home").effective_database_url)
    yield db
    db.close()


@pytest.fixture
def records(db: Database, tmp_path: Path) -> Records:
    """The same home with two zoos, digits-mlp and digits-cnn."""
    records = Records(db, tmp_path)
    records.zoo("digits-mlp")
    records.zoo("digits-cnn")
    return records


def phases(db: Database) -> list[tuple[str, list[str]]]:
    with db.read() as session:
        found = session.scalars(select(PhaseRecord).order_by(PhaseRecord.id))
        return [(f"{phase.competition.slug}/{phase.slug}", [zoo.label for zoo in phase.zoos]) for phase in found]


@pytest.mark.thorough
def test_a_zoo_is_checked_and_added_once_however_often_it_is_asked(run: Run, db: Database, digits_cnn: Path) -> None:
    for _ in range(2):
        added = run("zoo", "add", str(digits_cnn))
        assert (added.exit_code, added.stdout) == (
            0,
            "digits-cnn@1 is ready. Open a phase with it: gengap phase open\n",
        )
    with db.read() as session:
        (zoo,) = session.scalars(select(ZooRecord)).all()
        assert zoo.report is not None
        assert [(act.user_name, act.act) for act in acts(session, zoo_id=zoo.id)][-1] == (None, "added")


def test_a_zoo_with_errors_is_not_added_and_each_is_told(run: Run, db: Database, tiny_zoo: Path) -> None:
    refused = run("zoo", "add", str(tiny_zoo))
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "error training accuracy" in refused.stderr.replace("_", " ")
    assert "The zoo was not added: its check found" in refused.stderr
    with db.read() as session:
        assert session.scalars(select(ZooRecord)).all() == []


def test_what_is_no_zoo_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    refused = run("zoo", "add", str(tmp_path))
    assert refused.exit_code == 2
    assert "zoo.json" in refused.stderr


def test_a_phase_is_opened_with_its_competition(run: Run, records: Records) -> None:
    done = run(
        *("phase", "open", "spring/open", "--zoo", "digits-mlp", "--zoo", "digits-cnn@1", "--title", "Open phase"),
        *("--opens", "2027-01-01", "--until", "2027-03-01 12:30", "--wall-s", "5", "--daily-quota", "3", "--hidden"),
    )
    assert (done.exit_code, done.stdout) == (0, "/competitions/spring/open/leaderboard\n")
    assert phases(records.db) == [("spring/open", ["digits-mlp@1", "digits-cnn@1"])]
    with records.db.read() as session:
        phase = session.scalars(select(PhaseRecord)).one()
    assert (phase.title, phase.limits.wall_s, phase.daily_quota, phase.hidden, phase.shows_logs) == (
        *("Open phase", 5.0, 3),
        *(True, False),
    )
    assert phase.time_rule is TimeRule.PER_NETWORK
    assert f"{phase.opens_at:%F %R}, {phase.closes_at:%F %R}" == "2027-01-01 00:00, 2027-03-01 12:30"


def test_a_phase_that_shows_logs_over_a_secret_zoo_must_be_confirmed(run: Run, records: Records) -> None:
    records.zoo("hidden", truth_public=False)
    command = ("phase", "open", "spring/open", "--zoo", "hidden", "--shows-logs")
    refused = run(*command)
    assert refused.exit_code == 2
    assert "a measure can print everything that it sees" in refused.output
    assert "--confirm" in refused.output
    assert phases(records.db) == []
    assert run(*command, "--confirm").exit_code == 0
    assert phases(records.db) == [("spring/open", ["hidden@1"])]
    records.zoo("also-hidden", truth_public=False)
    more = ("phase", "open", "spring/open", "--zoo", "digits-mlp", "--zoo", "also-hidden")
    assert run(*more).exit_code == 2
    assert phases(records.db) == [("spring/open", ["hidden@1"])], "nothing was changed"
    assert run(*more, "--confirm").exit_code == 0


def test_a_second_phase_joins_the_competition_and_a_zoo_joins_a_phase(run: Run, records: Records) -> None:
    for address, zoo in (("spring/a", "digits-mlp"), ("spring/b", "digits-mlp"), ("spring/a", "digits-cnn")):
        assert run("phase", "open", address, "--zoo", zoo).exit_code == 0
    assert phases(records.db) == [
        ("spring/a", ["digits-mlp@1", "digits-cnn@1"]),
        ("spring/b", ["digits-mlp@1"]),
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("spring", "--zoo", "digits-mlp"), "Name a competition and a phase"),
        (("spring/x", "--zoo", "nothing"), "There is no zoo nothing on this server"),
        (("spring/x", "--zoo", "digits-mlp@7"), "There is no zoo digits-mlp@7"),
        (("spring/x", "--zoo", "digits-mlp", "--wall-s", "-1"), "wall_s: Give from 0.1"),
        (("spring/X y", "--zoo", "digits-mlp"), "slug: A phase's short name"),
        (("spring/open", "--zoo", "digits-mlp"), "uses digits-mlp@1 already"),
        (("spring/open", "--zoo", "digits-cnn", "--title", "T"), "omit --title"),
        (("spring/x", "--zoo", "digits-mlp", "--competition-title", "T"), "omit --competition-title"),
        (("spring/x", "--zoo", "digits-mlp", "--until", "2001-01-01"), "closes_at: The phase must close after"),
    ],
)
def test_what_is_not_possible_is_said_and_changes_nothing(
    run: Run, records: Records, arguments: tuple[str, ...], said: str
) -> None:
    assert run("phase", "open", "spring/open", "--zoo", "digits-mlp").exit_code == 0
    before = phases(records.db)
    refused = run("phase", "open", *arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert phases(records.db) == before


def test_a_damaged_zoo_is_not_added(run: Run, db: Database, tiny_zoo: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "zoo.json").write_text(json.dumps({"format": 99}))
    refused = run("zoo", "add", str(damaged))
    assert refused.exit_code == 2
    assert "newer" in refused.stderr


def test_a_target_that_a_zoo_lacks_is_refused_by_name(run: Run, records: Records) -> None:
    refused = run("phase", "open", "spring/final", "--zoo", "digits-mlp", "--target", "loss_gap")
    assert refused.exit_code == 2
    assert "the zoo digits-mlp@1 has no target loss_gap; it has gap" in refused.output
