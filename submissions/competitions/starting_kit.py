"""The starting kit of a competition: a zip with an example measure, baselines, a public zoo, a notebook and Gengap.

It is stored in the home folder under the digest of its content, so that a new version of the zoo or of Gengap makes a
new kit; nothing that a visitor chooses is part of it. Workers make the kits that visitors get (`KitMaker`). A request
for one that is not stored makes it: where no worker has run since, or for an organizer, whose kit may name a hidden
phase. One kit is made at a time, and nobody waits for it. Called by workers, pages and the API.
"""

import fcntl
import hashlib
import logging
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session, contains_eager

from model_zoo import ZooError
from model_zoo.publish import publish
from model_zoo.store import ZooStore
from submissions.baselines import baseline_path
from submissions.competitions.wheel import wheel, wheel_name
from submissions.evaluation.smoke_run import smoke_zoo
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.records import CompetitionRecord, PhaseRecord, PhaseZooRecord, ZooRecord

BASELINES = ("Squared norm", "Inverse squared margin", "Label-wise mixup")
_FOLDER = Path(__file__).parents[1] / "starting_kit"
_README, _MEASURE, _NOTEBOOK = "README.md", "measure.py", "first_look.ipynb"
_KEPT = 3  # kits per competition: organizers, who see hidden phases, may have another one than visitors
_WEIGHTS = ".safetensors"  # which hardly compress
_log = logging.getLogger(__name__)


class KitBeingMadeError(Exception):
    """A kit is being made on this machine: this one, or another that has to be ready first."""


@dataclass(frozen=True)
class KitPlan:
    """The content of a competition's kit.

    Attributes
    ----------
    phase : str
        competition/phase, to which the kit's README submits.
    site_url : str
        Public address of the site.
    """

    slug: str
    title: str
    phase: str
    zoo_name: str
    zoo_title: str
    zoo_networks: int
    zoo_sha256: str
    site_url: str

    @property
    def page_url(self) -> str:
        """Public address of the competition's page."""
        return f"{self.site_url}/competitions/{self.slug}"

    @property
    def digest(self) -> str:
        """The digest of the kit's content, which its file is named after."""
        return hashlib.sha256(f"{self.zoo_sha256} {_digest_of_fixed_files()} ".encode() + _readme(self)).hexdigest()

    @property
    def folder(self) -> str:
        """The name of the only folder in the zip."""
        return f"gengap-{self.slug}"

    @property
    def filename(self) -> str:
        """The file name of the zip."""
        return f"{self.folder}-kit.zip"


def kit_zoo(session: Session, phase_ids: Sequence[int]) -> ZooRecord | None:
    """Return the zoo of a kit: the first with public truth in these phases, else their smoke-run zoo; else None."""
    own = session.scalar(
        select(ZooRecord)
        .join(PhaseZooRecord)
        .where(PhaseZooRecord.phase_id.in_(phase_ids), ZooRecord.truth_public.is_(True))
        .order_by(PhaseZooRecord.phase_id, PhaseZooRecord.position)
        .limit(1)
    )
    if own is not None:
        return own
    phases = session.scalars(select(PhaseRecord).where(PhaseRecord.id.in_(phase_ids)).order_by(PhaseRecord.id))
    return next((zoo for phase in phases if (zoo := smoke_zoo(session, phase)) is not None), None)


def kit_plan(
    session: Session, competition: CompetitionRecord, phases: Sequence[PhaseRecord], site_url: str
) -> KitPlan | None:
    """Plan the kit of a competition.

    Parameters
    ----------
    phases : Sequence[PhaseRecord]
        The phases that the reader may see.
    site_url : str
        Public address of the site.

    Returns
    -------
    KitPlan or None
        None if the competition has no public zoo.
    """
    zoo = kit_zoo(session, [phase.id for phase in phases])
    if zoo is None:
        return None
    newest = max(phases, key=lambda phase: (phase.opens_at, phase.id))
    return KitPlan(
        slug=competition.slug,
        title=competition.title,
        phase=f"{competition.slug}/{newest.slug}",
        zoo_name=zoo.name,
        zoo_title=zoo.title,
        zoo_networks=zoo.networks,
        zoo_sha256=zoo.manifest_sha256,
        site_url=site_url,
    )


def kit_file(settings: Settings, zoos: ZooStore, plan: KitPlan) -> Path:
    """Return the path of the kit's zip, making it if it is not stored.

    Raises
    ------
    KitBeingMadeError
        If some kit is being made: ask again in a few seconds.
    ZooError
        If the store does not have the zoo.
    """
    folder = settings.home / "kits" / plan.slug
    path = folder / f"{plan.digest}.zip"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(settings.home / "kits.lock"):
        if path.exists():
            return path
        with tempfile.TemporaryDirectory(dir=folder, prefix=".making-") as making:
            packed = Path(making) / path.name
            _pack(packed, plan, zoos, {_README: _readme(plan), **_fixed_files()})
            packed.replace(path)
        kits = sorted(folder.glob("*.zip"), key=lambda kit: kit.stat().st_mtime, reverse=True)
        for old in kits[_KEPT:]:  # whoever is loading it keeps it until the end
            old.unlink(missing_ok=True)
    return path


@dataclass
class KitMaker:
    """Makes the kits that visitors get, as soon as their content changes. It is not shared between threads.

    Each content is made once: one that was removed since, in favour of newer ones, is not made again.
    """

    settings: Settings
    db: Database
    zoos: ZooStore
    _made: set[str] = field(default_factory=set, init=False)
    _reported: set[str] = field(default_factory=set, init=False)

    def step(self) -> None:
        """Make what is not stored yet; what cannot be made now is tried again at the next step."""
        for plan in self._plans():
            digest = plan.digest
            if digest in self._made:
                continue
            try:
                kit_file(self.settings, self.zoos, plan)
            except KitBeingMadeError:
                continue
            except ZooError as error:
                if digest not in self._reported:
                    _log.warning("The starting kit of %s cannot be made now: %s", plan.slug, error)
                self._reported.add(digest)
                continue
            self._made.add(digest)

    def _plans(self) -> list[KitPlan]:
        with self.db.read() as session:
            competitions = session.scalars(
                select(CompetitionRecord)
                .join(CompetitionRecord.phases)
                .options(contains_eager(CompetitionRecord.phases))
                .where(PhaseRecord.hidden.is_(False))
            ).unique()
            site_url = self.settings.effective_public_url
            plans = [kit_plan(session, one, one.phases, site_url) for one in competitions.all()]
        return [plan for plan in plans if plan is not None]


@contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KitBeingMadeError("A starting kit is being made. Try again in a few seconds.") from None
        yield


def _pack(packed: Path, plan: KitPlan, zoos: ZooStore, small: dict[str, bytes]) -> None:
    zoo = zoos.open(plan.zoo_sha256)
    public = packed.parent / plan.zoo_name
    with zoos.fetched(zoo):
        publish(zoo, public, with_truth=zoo.manifest.truth_public)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in small.items():
            archive.writestr(f"{plan.folder}/{name}", content)
        for path in sorted(public.rglob("*")):
            if path.is_file():
                method = zipfile.ZIP_STORED if path.suffix == _WEIGHTS else zipfile.ZIP_DEFLATED
                archive.write(path, f"{plan.folder}/{path.relative_to(packed.parent).as_posix()}", method)


def _readme(plan: KitPlan) -> bytes:
    readme = (_FOLDER / _README).read_text()
    return readme.format(
        title=plan.title,
        wheel=wheel_name(),
        zoo=plan.zoo_name,
        zoo_title=plan.zoo_title,
        networks=plan.zoo_networks,
        url=plan.page_url,
        site=plan.site_url,
        phase=plan.phase,
    ).encode()


def _fixed_files() -> dict[str, bytes]:
    """Return the files that are the same in every kit of this version of Gengap."""
    baselines = [baseline_path(name) for name in BASELINES]
    return {
        **{name: (_FOLDER / name).read_bytes() for name in (_MEASURE, _NOTEBOOK)},
        **{f"baselines/{path.name}": path.read_bytes() for path in baselines},
        wheel_name(): wheel(),
    }


@cache
def _digest_of_fixed_files() -> str:
    digest = hashlib.sha256()
    for name, content in _fixed_files().items():
        digest.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return digest.hexdigest()
