"""The registry of zoos: adding them to the store, recording checks, listing them and the phases that use them.

Called by pages, commands and the worker's jobs. `submissions.competitions.phase_zoos` changes the zoos of a phase.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import delete, exists, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from model_zoo import Zoo, ZooError, open_zoo
from model_zoo.checks.report import CheckReport, Verdict
from model_zoo.manifest import KEY
from model_zoo.store import ZooStore
from submissions.storage import board_version
from submissions.storage.audit import record_act
from submissions.storage.database import Database
from submissions.storage.records import (
    CompetitionRecord,
    PhaseRecord,
    PhaseZooRecord,
    UserRecord,
    ZooJobRecord,
    ZooNetworkRecord,
    ZooRecord,
    ZooState,
)
from submissions.zoos.jobs import leave_unchecked, open_first

COMMAND_LINE = "command line"
_VERSION_TRIES = 5


@dataclass(frozen=True)
class PhaseUse:
    """A phase that uses a zoo."""

    phase_id: int
    competition_slug: str
    slug: str
    title: str


@dataclass(frozen=True)
class ZooRow:
    """A version of a zoo in the organizers' list. `added_by` is None for the command line."""

    zoo: ZooRecord
    added_by: str | None
    phases: tuple[PhaseUse, ...]


@dataclass(frozen=True)
class ZooDetail:
    """One version of a zoo: the report of its check, the phases that use it, its other versions, its newest job."""

    zoo: ZooRecord
    report: CheckReport | None
    added_by: str | None
    phases: tuple[PhaseUse, ...]
    versions: tuple[ZooRecord, ...]
    job: ZooJobRecord | None


def add_zoo(
    db: Database,
    store: ZooStore,
    folder: Path,
    *,
    source: str,
    user_id: int | None,
    state: ZooState = ZooState.CHECKING,
    watch: Callable[[int, int, str], None] | None = None,
) -> int:
    """Add the zoo in `folder` to the store and the registry, as the next version of its name.

    A zoo with the same zoo.json keeps its record; unless it is ready, its `state` and `source` are set again.

    Parameters
    ----------
    source : str
        Where the zoo comes from, for organizers.
    user_id : int or None
        Who added it; None for the command line.
    watch : Callable[[int, int, str], None] or None, optional
        Called with the number of stored bytes, the total, and a description of the current step.

    Returns
    -------
    int
        The id of the zoo.

    Raises
    ------
    ZooError
        If the folder is not a zoo, or the store cannot write it.
    """
    zoo = open_zoo(folder)
    digest = store.put(folder, watch=watch)
    for attempt in range(_VERSION_TRIES):
        try:
            with db.write() as session:
                return _on_record(session, zoo, digest, source=source, user_id=user_id, state=state)
        except IntegrityError:  # another process took the version, or added the same zoo
            if attempt == _VERSION_TRIES - 1:
                raise
    raise AssertionError("unreachable")


def _on_record(session: Session, zoo: Zoo, digest: str, *, source: str, user_id: int | None, state: ZooState) -> int:
    known = session.scalar(select(ZooRecord).where(ZooRecord.manifest_sha256 == digest))
    if known is not None:
        known.offers = list(zoo.offers)  # a record from before there was an extended track does not know
        _list_networks(session, known.id, zoo)
        if known.state is not ZooState.READY:
            known.state, known.source = state, source
        return known.id
    newest = session.scalar(select(func.max(ZooRecord.version)).where(ZooRecord.name == zoo.name))
    record = ZooRecord(
        name=zoo.name,
        version=(newest or 0) + 1,
        title=zoo.manifest.title,
        manifest_sha256=digest,
        networks=len(zoo.networks),
        truth_public=zoo.manifest.truth_public,
        state=state,
        source=source,
        created_by_id=user_id,
    )
    _describe(record, zoo)
    session.add(record)
    session.flush()
    _list_networks(session, record.id, zoo)
    record_act(session, "added", user_id=user_id, zoo_id=record.id, detail=source)
    return record.id


def _describe(record: ZooRecord, zoo: Zoo) -> None:
    """Record sizes, targets and offers of a zoo, which a record of an older installation lacks."""
    sizes = {path: file.bytes for path, file in zoo.manifest.files.items()}
    record.bytes = sum(sizes.values())
    record.weight_bytes = {one.id: sizes[one.weights.relative_to(zoo.folder).as_posix()] for one in zoo.networks}
    record.targets = zoo.manifest.targets
    record.offers = list(zoo.offers)


def _list_networks(session: Session, zoo_id: int, zoo: Zoo) -> None:
    """Record the zoo's networks with the digests of their weights."""
    session.execute(delete(ZooNetworkRecord).where(ZooNetworkRecord.zoo_id == zoo_id))
    files = {one.id: zoo.manifest.files[one.weights.relative_to(zoo.folder).as_posix()] for one in zoo.networks}
    rows = [
        {"zoo_id": zoo_id, "network_id": network_id, "weights_sha256": file.sha256 if file.bytes else None}
        for network_id, file in files.items()
    ]
    if rows:
        session.execute(insert(ZooNetworkRecord), rows)


def register_zoo(db: Database, store: ZooStore, folder: Path) -> int:
    """Register the zoo in `folder` as ready without a check; the same zoo keeps its record.

    Returns
    -------
    int
        The id of the zoo.

    Raises
    ------
    ZooError
        If the folder is not a zoo.
    """
    return add_zoo(db, store, folder, source=COMMAND_LINE, user_id=None, state=ZooState.READY)


def record_check(db: Database, zoo_id: int, report: CheckReport, *, user_id: int | None = None) -> ZooState:
    """Store the report of a check: with an error the zoo is refused, otherwise it is ready.

    Returns
    -------
    ZooState
        The new state.
    """
    state = ZooState.REFUSED if report.verdict is Verdict.ERROR else ZooState.READY
    with db.write() as session:
        zoo = session.get_one(ZooRecord, zoo_id, with_for_update=True)
        zoo.state = state
        zoo.report = report.model_dump(mode="json")
        board_version.references_changed(session, zoo_id)
        counts = [f"{len(report.of(verdict))} {verdict}" for verdict in Verdict if report.of(verdict)]
        record_act(session, "checked", user_id=user_id, zoo_id=zoo_id, detail=f"{state}: {', '.join(counts)}")
    return state


def begin_check(db: Database, zoo_id: int) -> None:
    """Record that a check of this zoo has begun. A ready zoo stays ready until the report, because phases use it."""
    with db.write() as session:
        zoo = session.get_one(ZooRecord, zoo_id, with_for_update=True)
        if zoo.state is not ZooState.READY:
            zoo.state = ZooState.CHECKING


def give_up_check(db: Database, zoo_id: int) -> None:
    """Record that a check did not finish because of a fault of ours: a zoo that was being checked becomes failed."""
    with db.write() as session:
        leave_unchecked(session, zoo_id)


def adopt_folders(db: Database, store: ZooStore) -> list[str]:
    """Copy zoos that an older installation registered by folder to the store.

    Called by every command that starts something; fast if there is nothing to do. Failures are retried at the next
    start.

    Returns
    -------
    list[str]
        A sentence for each zoo that could not be copied because its folder is missing or has changed.
    """
    with db.read() as session:
        waiting = session.scalars(select(ZooRecord).where(ZooRecord.legacy_folder.is_not(None))).all()
    troubles = []
    for record in waiting:
        folder = Path(record.legacy_folder or "")
        try:
            zoo = open_zoo(folder)
            if zoo.manifest_sha256 != record.manifest_sha256:
                raise ZooError(f"{folder}: another zoo than the one that was registered; put that one back")
            store.put(folder)
        except ZooError as error:
            troubles.append(f"The zoo {record.name} cannot be brought into the store: {error}")
            continue
        with db.write() as session:
            adopted = session.get_one(ZooRecord, record.id)
            _describe(adopted, zoo)
            _list_networks(session, adopted.id, zoo)
            adopted.source = adopted.source or str(folder)
            adopted.legacy_folder = None
    return [*troubles, *_complete_networks(db, store)]


def _complete_networks(db: Database, store: ZooStore) -> list[str]:
    """Record the digests of weights that an older installation has not recorded; return a sentence for each failure."""
    lacks = exists().where(ZooNetworkRecord.zoo_id == ZooRecord.id, ZooNetworkRecord.weights_sha256.is_(None))
    with db.read() as session:
        stored = select(ZooRecord).where(ZooRecord.legacy_folder.is_(None), lacks)
        records = session.scalars(stored.order_by(ZooRecord.id)).all()
    troubles = []
    for record in records:
        try:
            zoo = store.open(record.manifest_sha256)
        except ZooError as error:
            troubles.append(f"The zoo {record.label} cannot be compared with others: {error}")
            continue
        with db.write() as session:
            _list_networks(session, record.id, zoo)
    return troubles


def find_zoo(session: Session, name: str) -> ZooRecord | None:
    """Return the zoo NAME@VERSION, or of NAME the newest ready version, or the newest version if none is ready."""
    bare, _, version = name.partition("@")
    query = select(ZooRecord).where(ZooRecord.name == bare)
    if version:
        return session.scalar(query.where(ZooRecord.version == int(version))) if version.isdecimal() else None
    return session.scalar(query.order_by((ZooRecord.state == ZooState.READY).desc(), ZooRecord.version.desc()).limit(1))


def zoo_list(session: Session) -> tuple[ZooRow, ...]:
    """Return every version of every zoo, by name, the newest version first."""
    rows = session.execute(
        select(ZooRecord, UserRecord.name)
        .outerjoin(UserRecord, UserRecord.id == ZooRecord.created_by_id)
        .order_by(ZooRecord.name, ZooRecord.version.desc())
    )
    uses = _uses(session)
    return tuple(ZooRow(zoo, added_by, tuple(uses.get(zoo.id, ()))) for zoo, added_by in rows)


def zoo_detail(session: Session, zoo_id: int) -> ZooDetail | None:
    """Return the details of one version of a zoo, if it exists."""
    zoo = session.get(ZooRecord, zoo_id)
    if zoo is None:
        return None
    added_by = session.scalar(select(UserRecord.name).where(UserRecord.id == zoo.created_by_id))
    versions = select(ZooRecord).where(ZooRecord.name == zoo.name).order_by(ZooRecord.version.desc())
    job = session.scalar(select(ZooJobRecord).where(ZooJobRecord.zoo_id == zoo_id).order_by(*open_first()).limit(1))
    return ZooDetail(
        zoo=zoo,
        report=None if zoo.report is None else CheckReport.model_validate(zoo.report),
        added_by=added_by,
        phases=phases_of(session, zoo_id),
        versions=tuple(session.scalars(versions)),
        job=job,
    )


def phases_of(session: Session, zoo_id: int) -> tuple[PhaseUse, ...]:
    """Return the phases that use this version of the zoo."""
    return tuple(_uses(session, zoo_id).get(zoo_id, ()))


def hidden_without_key(db: Database, store: ZooStore) -> list[str]:
    """Return the names of zoos with hidden truth that phases use and that have no secret key.

    Raises
    ------
    ZooError
        If the store cannot open one.
    """
    used = select(ZooRecord).where(~ZooRecord.truth_public, ZooRecord.id.in_(select(PhaseZooRecord.zoo_id)))
    with db.read() as session:
        hidden = [(zoo.label, zoo.manifest_sha256) for zoo in session.scalars(used.order_by(ZooRecord.id))]
    return [label for label, sha256 in hidden if KEY not in store.open(sha256).manifest.files]


def _uses(session: Session, zoo_id: int | None = None) -> dict[int, list[PhaseUse]]:
    query = (
        select(PhaseZooRecord.zoo_id, PhaseRecord.id, CompetitionRecord.slug, PhaseRecord.slug, PhaseRecord.title)
        .join(PhaseRecord, PhaseRecord.id == PhaseZooRecord.phase_id)
        .join(CompetitionRecord, CompetitionRecord.id == PhaseRecord.competition_id)
        .order_by(CompetitionRecord.slug, PhaseRecord.opens_at, PhaseRecord.id)
    )
    uses: dict[int, list[PhaseUse]] = {}
    if zoo_id is not None:
        query = query.where(PhaseZooRecord.zoo_id == zoo_id)
    for used, phase_id, competition, slug, title in session.execute(query):
        uses.setdefault(used, []).append(PhaseUse(phase_id, competition, slug, title))
    return uses
