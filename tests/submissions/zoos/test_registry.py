"""Zoos on record: versions, checks, what is listed, who did what, and those of an older installation."""

from pathlib import Path

import pytest
from sqlalchemy import update

from model_zoo import ZooError, open_zoo
from model_zoo.checks.report import CheckReport, Item, Verdict
from model_zoo.recipes.keys import new_key
from model_zoo.store import ZooStore
from submissions.competitions.competitions import CompetitionError, create_competition
from submissions.intake.bundle_store import BundleStore
from submissions.people.accounts import create_organizer
from submissions.storage.audit import Act, acts
from submissions.storage.database import Database
from submissions.storage.records import JobKind, PhaseRecord, ZooRecord, ZooState, utc_now
from submissions.zoos.jobs import enqueue
from submissions.zoos.registry import (
    ZooDetail,
    add_zoo,
    adopt_folders,
    begin_check,
    find_zoo,
    give_up_check,
    hidden_without_key,
    phases_of,
    record_check,
    register_zoo,
    zoo_detail,
    zoo_list,
)
from tests.factories import make_competition, make_tiny_zoo
from tests.model_zoo.checks.zoos import edit


@pytest.fixture
def olga(any_db: Database) -> int:
    return create_organizer(any_db, "olga", "correct horse battery")


def report(zoo: str, *verdicts: Verdict) -> CheckReport:
    items = [Item(name=f"item {index}", verdict=verdict, text="seen") for index, verdict in enumerate(verdicts)]
    return CheckReport(zoo=zoo, title=zoo, manifest_sha256=None, items=items)


def detail(db: Database, zoo_id: int) -> ZooDetail:
    with db.read() as session:
        found = zoo_detail(session, zoo_id)
    assert found is not None
    return found


def told(db: Database, zoo_id: int) -> list[tuple[str | None, str, str | None, str]]:
    """Who did what to which zoo, the oldest first."""
    with db.read() as session:
        return [(act.user_name, act.act, act.zoo, act.detail) for act in reversed(acts(session, zoo_id=zoo_id))]


def test_a_zoo_that_is_added_waits_for_its_check(any_db: Database, zoos: ZooStore, tiny_zoo: Path, olga: int) -> None:
    zoo_id = add_zoo(any_db, zoos, tiny_zoo, source="upload tiny.zip", user_id=olga)
    added = detail(any_db, zoo_id)
    zoo = open_zoo(tiny_zoo)
    assert (added.zoo.label, added.zoo.title, added.zoo.networks) == ("tiny@1", "The tiny zoo", 8)
    assert (added.zoo.state, added.added_by, added.report) == (ZooState.CHECKING, "olga", None)
    assert added.zoo.bytes == sum(file.bytes for file in zoo.manifest.files.values())
    assert added.zoo.weight_bytes == {network.id: network.weights.stat().st_size for network in zoo.networks}
    assert zoos.has(added.zoo.manifest_sha256)
    assert told(any_db, zoo_id) == [("olga", "added", "tiny@1", "upload tiny.zip")]


@pytest.mark.parametrize(
    ("verdicts", "state", "counts"),
    [
        ((Verdict.OK, Verdict.WARNING), ZooState.READY, "ready: 1 ok, 1 warning"),
        ((Verdict.OK, Verdict.ERROR, Verdict.ERROR), ZooState.REFUSED, "refused: 1 ok, 2 error"),
    ],
)
def test_a_check_decides_and_its_report_stays(
    any_db: Database,
    zoos: ZooStore,
    tiny_zoo: Path,
    olga: int,
    verdicts: tuple[Verdict, ...],
    state: ZooState,
    counts: str,
) -> None:
    zoo_id = add_zoo(any_db, zoos, tiny_zoo, source="folder", user_id=olga)
    found = report("tiny", *verdicts)
    assert record_check(any_db, zoo_id, found, user_id=olga) is state
    checked = detail(any_db, zoo_id)
    assert (checked.zoo.state, checked.report) == (state, found)
    assert told(any_db, zoo_id)[-1] == ("olga", "checked", "tiny@1", counts)


def test_the_same_zoo_keeps_its_record_and_a_changed_one_is_the_next_version(
    any_db: Database, zoos: ZooStore, tiny_zoo: Path, tmp_path: Path, olga: int
) -> None:
    first = add_zoo(any_db, zoos, tiny_zoo, source="one", user_id=olga)
    record_check(any_db, first, report("tiny", Verdict.ERROR))
    assert add_zoo(any_db, zoos, tiny_zoo, source="two", user_id=olga) == first
    assert (detail(any_db, first).zoo.state, detail(any_db, first).zoo.source) == (ZooState.CHECKING, "two")
    record_check(any_db, first, report("tiny", Verdict.OK))
    assert register_zoo(any_db, zoos, tiny_zoo) == first
    assert add_zoo(any_db, zoos, tiny_zoo, source="three", user_id=olga) == first
    assert (detail(any_db, first).zoo.state, detail(any_db, first).zoo.source) == (ZooState.READY, "two")
    changed = make_tiny_zoo(tmp_path / "changed", "tiny", copies=3)
    second = add_zoo(any_db, zoos, changed, source="four", user_id=olga)
    assert detail(any_db, second).zoo.label == "tiny@2"
    assert [zoo.version for zoo in detail(any_db, first).versions] == [2, 1]


def test_a_name_stands_for_its_newest_ready_version(
    any_db: Database, zoos: ZooStore, tiny_zoo: Path, tmp_path: Path
) -> None:
    first = register_zoo(any_db, zoos, tiny_zoo)
    second = add_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "second", "tiny", copies=3), source="folder", user_id=None)
    names = ("tiny", "tiny@1", "tiny@2", "tiny@3", "tiny@x", "other")

    def found() -> list[int | None]:
        with any_db.read() as session:
            return [zoo.id if (zoo := find_zoo(session, name)) else None for name in names]

    assert found() == [first, first, second, None, None, None]
    record_check(any_db, second, report("tiny", Verdict.OK))
    assert found() == [second, first, second, None, None, None]


def test_a_check_that_came_to_no_end_leaves_the_zoo_as_failed_unless_it_was_ready(
    any_db: Database, zoos: ZooStore, tiny_zoo: Path, other_zoo: Path
) -> None:
    new = add_zoo(any_db, zoos, tiny_zoo, source="folder", user_id=None)
    old = register_zoo(any_db, zoos, other_zoo)
    for zoo_id in (new, old):
        begin_check(any_db, zoo_id)
        give_up_check(any_db, zoo_id)
    assert [detail(any_db, zoo_id).zoo.state for zoo_id in (new, old)] == [ZooState.FAILED, ZooState.READY]
    begin_check(any_db, new)
    assert detail(any_db, new).zoo.state is ZooState.CHECKING


def test_the_list_names_phases_and_who_added(
    any_db: Database, store: BundleStore, zoos: ZooStore, tiny_zoo: Path, other_zoo: Path, olga: int
) -> None:
    competition = make_competition(any_db, store, [tiny_zoo])
    unused = add_zoo(any_db, zoos, other_zoo, source="folder", user_id=olga)
    with any_db.read() as session:
        rows = zoo_list(session)
        (use,) = phases_of(session, rows[1].zoo.id)
        assert phases_of(session, unused) == ()
        assert zoo_detail(session, 99) is None
    assert [(row.zoo.label, row.added_by, len(row.phases)) for row in rows] == [
        ("other@1", "olga", 0),
        ("tiny@1", None, 1),
    ]
    assert (use.phase_id, use.competition_slug, use.slug, use.title) == (
        competition.phase_id,
        "tests",
        "main",
        "Main phase",
    )
    assert detail(any_db, rows[1].zoo.id).phases == (use,)


def test_the_detail_has_the_job_that_is_open_or_was_last(any_db: Database, zoos: ZooStore, tiny_zoo: Path) -> None:
    zoo_id = register_zoo(any_db, zoos, tiny_zoo)
    assert detail(any_db, zoo_id).job is None
    enqueue(any_db, JobKind.RECHECK, {}, None)
    job = enqueue(any_db, JobKind.RECHECK, {}, None, zoo_id=zoo_id)
    found = detail(any_db, zoo_id).job
    assert found is not None
    assert found.id == job


@pytest.mark.parametrize("any_db", ["sqlite"], indirect=True)
def test_only_a_ready_zoo_can_be_used(any_db: Database, zoos: ZooStore, tiny_zoo: Path) -> None:
    zoo_id = add_zoo(any_db, zoos, tiny_zoo, source="folder", user_id=None)
    phase = PhaseRecord(slug="p", title="P", opens_at=utc_now())
    with pytest.raises(CompetitionError, match="tiny@1 is checking"):
        create_competition(any_db, slug="c", title="C", text="", phase=phase, zoo_ids=[zoo_id])


def test_acts_are_told_newest_first_by_zoo_by_phase_and_all(
    any_db: Database, store: BundleStore, zoos: ZooStore, tiny_zoo: Path, other_zoo: Path
) -> None:
    make_competition(any_db, store, [tiny_zoo])
    register_zoo(any_db, zoos, other_zoo)
    with any_db.read() as session:
        everything: list[Act] = list(acts(session))
        assert [act.zoo for act in everything] == ["other@1", "tiny@1"]
        assert [act.zoo for act in acts(session, limit=1)] == ["other@1"]
        assert list(acts(session, phase_id=1)) == []
    assert everything[0].user_name is None
    assert everything[0].at >= everything[1].at


def as_in_an_older_installation(db: Database, zoo_id: int, folder: Path) -> None:
    with db.write() as session:
        session.execute(
            update(ZooRecord).where(ZooRecord.id == zoo_id).values(legacy_folder=str(folder), weight_bytes={}, bytes=0)
        )


def test_zoos_of_an_older_installation_come_into_the_store(
    any_db: Database, store: BundleStore, zoos: ZooStore, tiny_zoo: Path
) -> None:
    competition = make_competition(any_db, store, [tiny_zoo], smoke_networks=0)
    before = detail(any_db, 1).zoo
    as_in_an_older_installation(any_db, 1, tiny_zoo)
    zoos.delete(before.manifest_sha256)
    with pytest.raises(ZooError, match="not in the store yet"):
        competition.submit(competition.user())
    assert adopt_folders(any_db, zoos) == []
    after = detail(any_db, 1).zoo
    assert (after.weight_bytes, after.bytes, after.legacy_folder) == (before.weight_bytes, before.bytes, None)
    competition.submit(competition.user("bob"))
    assert competition.work_through() == 8
    assert adopt_folders(any_db, zoos) == []


def test_a_folder_that_is_gone_or_another_zoo_is_told_at_every_start(
    any_db: Database, zoos: ZooStore, tiny_zoo: Path, other_zoo: Path, tmp_path: Path
) -> None:
    for folder, instead in ((tiny_zoo, tmp_path / "gone"), (other_zoo, tiny_zoo)):
        as_in_an_older_installation(any_db, register_zoo(any_db, zoos, folder), instead)
    for _ in range(2):
        gone, changed = adopt_folders(any_db, zoos)
        assert gone.startswith(f"The zoo tiny cannot be brought into the store: {tmp_path / 'gone'}")
        assert "another zoo than the one that was registered" in changed


def test_hidden_zoos_of_phases_without_a_key_are_found(
    any_db: Database, store: BundleStore, zoos: ZooStore, tiny_zoo: Path, other_zoo: Path, tmp_path: Path
) -> None:
    register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "unused", "unused", truth_public=False))
    keyed = make_tiny_zoo(tmp_path / "keyed", "keyed", truth_public=False)
    (keyed / "private" / "key.json").write_bytes(new_key().dump())
    edit(keyed, "zoo.json", lambda held: held["files"].update({"private/key.json": {}}))
    make_competition(any_db, store, [tiny_zoo, other_zoo, keyed])
    assert hidden_without_key(any_db, zoos) == ["other@1"]
