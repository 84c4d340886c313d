"""The values of shipped measures on zoos: evaluated in the sandbox and stored in files, so that no work is repeated.

Defines what a run does for one measure and one zoo, and the file that stores it. Called by
`server.commands.local.baselines`.
"""

import hashlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from model_zoo import Zoo
from server.commands.errors import InputError
from submissions.baselines import Baseline
from submissions.baselines.helpers import helpers_sha256
from submissions.intake.bundle import ENTRY_FILE, Bundle, BundleLimits, read_bundle
from submissions.storage.states import SENTENCES, Reason
from submissions.whole_files import write_whole
from submissions.zoos import tracks
from worker.failures import describe
from worker.sandbox.pool import SandboxPool
from worker.sandbox.protocol import Code, Failure, Limits, Outcome, SandboxError
from worker.zoo_evaluation import evaluate_zoo

FORMAT = 1
TRIES = 3  # where the fault is ours, as on the server
_SHOWN_DIGITS = 16  # of a sha256 in a file's name; the file itself holds all of them
_REFUSAL = "ValueError at "


class State(StrEnum):
    """The state of a measure on a zoo. Only unfinished and failed ones are evaluated again."""

    COMPLETE = "complete"
    REFUSED = "refused"  # by the measure itself, or by its track: not applicable to this zoo
    FAILED = "failed"
    UNFINISHED = "unfinished"


class NetworkValue(BaseModel):
    """One network's value with its cost in seconds. cpu_s: None if the sandbox cannot measure it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: FiniteFloat
    wall_s: FiniteFloat
    cpu_s: FiniteFloat | None


class Kept(BaseModel):
    """The stored results of one measure on one zoo, as they are in the file.

    measure_sha256, helpers_sha256: of the measure's file and of the modules of gengap_measures that it uses.
    public_sha256: of all files of the zoo that a measure can get. values: network id → value. reason, detail: why it
    was refused or failed; reason is None if the zoo lacks the measure's track.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int = FORMAT
    measure: str
    measure_sha256: str
    helpers_sha256: str
    zoo: str
    public_sha256: str
    state: State = State.UNFINISHED
    reason: Reason | None = None
    detail: str | None = None
    values: dict[str, NetworkValue] = {}

    @property
    def why(self) -> str:
        """Why the set of values is not complete, in a line; empty if it is."""
        if self.state is State.COMPLETE:
            return ""
        if self.state is State.UNFINISHED:
            return "not evaluated on every network yet"
        detail = " ".join((self.detail or "").split())
        return detail if self.state is State.REFUSED or self.reason is None else f"{SENTENCES[self.reason]} {detail}"


class Keeper:
    """The folder of stored values: a folder for each zoo's public part, a file for each version of a measure."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, baseline: Baseline, bundle: Bundle, zoo: Zoo) -> Kept:
        """Return the stored results. Raises InputError for a file that something else has written or changed."""
        new = Kept(
            measure=baseline.name,
            measure_sha256=bundle.sha256,
            helpers_sha256=helpers_sha256(bundle.files[ENTRY_FILE]),
            zoo=zoo.name,
            public_sha256=public_sha256(zoo),
        )
        path = self._path(new)
        try:
            kept = Kept.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return new
        except (OSError, ValidationError) as error:
            raise InputError(f"{path}: cannot be read as stored values; remove it to compute them again") from error
        networks = {network.id for network in zoo.networks}
        is_whole = kept.values.keys() == networks or kept.state is not State.COMPLETE
        if _identity(kept) != _identity(new) or not (kept.values.keys() <= networks and is_whole):
            raise InputError(f"{path}: contains values of something else; remove it to compute them again")
        return kept

    def write(self, kept: Kept) -> None:
        """Replace the file atomically. Raises InputError."""
        path = self._path(kept)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, kept.model_dump_json().encode())
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from error

    def _path(self, kept: Kept) -> Path:
        folder = self._folder / f"{kept.zoo}-{kept.public_sha256[:_SHOWN_DIGITS]}"
        words = "".join(c if c.isalnum() else "-" for c in kept.measure.lower())
        return folder / f"{words}-{kept.measure_sha256[:_SHOWN_DIGITS]}-{kept.helpers_sha256[:_SHOWN_DIGITS]}.json"


def _identity(kept: Kept) -> tuple[object, ...]:
    return kept.format, kept.measure, kept.measure_sha256, kept.helpers_sha256, kept.public_sha256


def public_sha256(zoo: Zoo) -> str:
    """Return the digest of the zoo's files that a sandbox may get; the rest of zoo.json changes no value."""
    public = sorted((name, digest.sha256) for name, digest in zoo.manifest.files.items() if name.startswith("public/"))
    return hashlib.sha256("".join(f"{sha256} {name}\n" for name, sha256 in public).encode()).hexdigest()


def bundle_of(baseline: Baseline) -> Bundle:
    """Return the measure as it would be uploaded."""
    return read_bundle(baseline.filename, baseline.path.read_bytes(), BundleLimits())


def evaluate(
    kept: Kept,
    baseline: Baseline,
    bundle: Bundle,
    zoo: Zoo,
    pool: SandboxPool,
    limits: Limits,
    keep: Callable[[Kept], None],
) -> Kept:
    """Evaluate the measure on all networks without a value; `keep` is called with each new state.

    Raises SandboxError after repeated faults of the sandbox.
    """
    if (detail := tracks.refusal(baseline.needs, [(zoo.name, zoo.offers)])) is not None:
        kept = kept.model_copy(update={"state": State.REFUSED, "detail": detail})
        keep(kept)
        return kept
    kept = kept.model_copy(update={"state": State.UNFINISHED, "reason": None, "detail": None})
    for tries_left in reversed(range(TRIES)):
        missing = replace(zoo, networks=tuple(entry for entry in zoo.networks if entry.id not in kept.values))
        try:
            with closing(
                evaluate_zoo(pool, missing, Code(bundle.files, bundle.sha256, bundle.track), limits)
            ) as outcomes:
                for network_id, outcome in outcomes:
                    kept = _with(kept, network_id, outcome, networks=len(zoo.networks))
                    keep(kept)
            return kept
        except SandboxError:
            if not tries_left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def _with(kept: Kept, network_id: str, outcome: Outcome, *, networks: int) -> Kept:
    """Return the results with one more outcome."""
    if isinstance(outcome, Failure):
        state = State.REFUSED if _is_refusal(outcome) else State.FAILED
        detail = outcome.message if state is State.REFUSED else describe(outcome)
        return kept.model_copy(update={"state": state, "reason": outcome.reason, "detail": detail})
    value = NetworkValue(value=outcome.value, wall_s=outcome.wall_s, cpu_s=outcome.cpu_s)
    values = {**kept.values, network_id: value}
    state = State.COMPLETE if len(values) == networks else State.UNFINISHED
    return kept.model_copy(update={"state": state, "values": values})


def _is_refusal(failure: Failure) -> bool:
    """Check for a ValueError with a sentence, by which shipped measures reject a network or its data."""
    return failure.reason is Reason.RAISED and failure.detail.startswith(_REFUSAL) and bool(failure.message)
