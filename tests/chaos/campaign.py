"""One campaign: traffic and faults at the same time, then an empty queue, then the checks."""

import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import httpx
from sqlalchemy import text

from submissions.evaluation.workers import known_workers
from submissions.storage.records import utc_now
from tests.chaos import leftovers
from tests.chaos.faults.kind import Kind
from tests.chaos.history import around, history, lives
from tests.chaos.invariants import Violation, excused_crashes, violations
from tests.chaos.site import Site, running_site
from tests.chaos.storm import Injected, Storm
from tests.chaos.traffic import Sent, Traffic, quotas
from tests.services import wait_until

TICK_S = 0.05
AHEAD = 2  # submissions run ahead of the faults by so many faults' share
SWEEPS = 10  # for what sweeps clean up
HISTORIES = 20
Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What a campaign does. window: submissions that are open at once. drain_s: for an empty queue at the end."""

    database: str
    kinds: Sequence[Kind]
    submissions: int
    faults: int
    seed: int
    workers: int = 3
    participants: int = 6
    window: int = 24
    scale: float = 0.1
    minutes: float = 60.0
    drain_s: float = 300.0


@dataclass(frozen=True)
class Result:
    """What happened.

    near: how many submissions with a violation lived while a fault of each kind was active. excused: how many ended as
    crashed because their measure was killed from outside.
    """

    plan: Plan
    sent: Sequence[Sent]
    answers: Mapping[str, int]
    states: Mapping[str, int]
    injected: Sequence[Injected]
    impossible: Mapping[str, str]
    no_victim: Mapping[str, int]
    deaths: Mapping[str, Sequence[int]]
    violations: Sequence[Violation]
    near: Mapping[str, int]
    histories: Mapping[int, Sequence[str]]
    excused: int
    took_s: float


def run(plan: Plan, say: Say) -> Result:
    """Run a campaign to its end. Whatever happens, nothing that it has started is left."""
    begin = time.monotonic()
    was_there, is_sqlite = leftovers.of_the_machine(), plan.database == "sqlite"
    with running_site(
        workers=plan.workers, participants=plan.participants, is_sqlite=is_sqlite, scale=plan.scale
    ) as site:
        with Traffic(site, total=plan.submissions, window=plan.window, seed=plan.seed) as traffic:
            with Storm(site, plan.kinds, total=plan.faults, seed=plan.seed) as storm:
                _rage(plan, site, traffic, storm, say)
            say("all faults are healed; waiting for an empty queue")
            _drain(plan, site, traffic)
        found = [Violation("every request answered", refused) for refused in traffic.refused]
        found += [Violation("an outage is told as one", fault) for fault in traffic.faults]
        if not traffic.is_done:
            told = f"{len(traffic.sent)} of {plan.submissions} were accepted in time"
            found.append(Violation("every request answered", told))
        site.keep_running()
        found += _came(lambda: _is_up(site), "the web server")
        found += leftovers.messages(site)
        found += violations(site.db, traffic.sent, site.norms, site.excuses, quotas(site))
        say("stopping")
        found += _farewell(site, was_there)
        return _result(plan, site, traffic, storm, found, time.monotonic() - begin)


def _rage(plan: Plan, site: Site, traffic: Traffic, storm: Storm, say: Say) -> None:
    """Until all has been submitted and injected, or nothing is left that a fault could hit, or the time is over."""
    deadline, said_at = time.monotonic() + 60 * plan.minutes, time.monotonic()
    while not (traffic.is_done and (storm.is_over or traffic.open == 0)) and time.monotonic() < deadline:
        site.keep_running()
        share = 1.0 if storm.is_over else min(1.0, (len(storm.injected) + AHEAD) / max(1, plan.faults))
        traffic.allowed = math.ceil(plan.submissions * share)
        storm.step(math.ceil(plan.faults * (len(traffic.sent) + 1) / plan.submissions))
        _count_open(site, traffic)
        if time.monotonic() - said_at > 15:
            said_at = time.monotonic()
            site.reap_orphans()
            say(f"{len(traffic.sent)} submissions accepted, {traffic.open} open, {len(storm.injected)} faults")
        time.sleep(TICK_S)


def _count_open(site: Site, traffic: Traffic) -> None:
    if (still_open := site.open_submissions()) is not None:
        traffic.open = len(still_open)


def _drain(plan: Plan, site: Site, traffic: Traffic) -> None:
    """Wait until nothing is open, or the time is over: what is still open then is a violation."""
    traffic.allowed = plan.submissions
    deadline = time.monotonic() + plan.drain_s
    while time.monotonic() < deadline:
        site.keep_running()
        _count_open(site, traffic)
        if traffic.is_done and site.open_submissions() == frozenset():
            return
        time.sleep(TICK_S)


def _is_up(site: Site) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{site.url}/healthz", trust_env=False).is_success
    return False


def _farewell(site: Site, was_there: frozenset[str]) -> list[Violation]:
    """Start everything once more, as an operator would after such a day, so that it cleans up; then stop it."""
    site.stop(site.programs)
    leftovers.grow_old(site)
    programs = [site.web, *site.workers]
    began_at = utc_now()
    site.start(programs)
    found = _came(lambda: _is_up(site), "the web server")
    found += _came(lambda: _able_since(site, began_at) >= len(site.workers), "all workers")
    time.sleep(SWEEPS * site.settings.sweep_s)
    site.stop(programs)
    site.reap_orphans()
    statuses = [(program.name, program.process and program.process.returncode) for program in programs]
    told = [*site.faults_of_stopping, *(f"{name} ended with status {status}" for name, status in statuses if status)]
    found += [Violation("everything stops", one) for one in told]
    return found + leftovers.after(site, was_there)


def _came(holds: Callable[[], bool], what: str) -> list[Violation]:
    """A violation if this does not come to hold in the time that anything may take to start."""
    try:
        wait_until(holds, what)
    except AssertionError as error:
        return [Violation("everything starts again", str(error))]
    return []


def _able_since(site: Site, moment: datetime) -> int:
    """How many workers have started since then and take work."""
    with site.db.read() as session:
        workers = known_workers(session, sweep_s=site.settings.sweep_s)
    return sum(worker.started_at >= moment and worker.refusal is None for worker in workers)


def _result(
    plan: Plan, site: Site, traffic: Traffic, storm: Storm, found: Sequence[Violation], took_s: float
) -> Result:
    born = lives(site)
    hurt = {one.submission_id: None for one in found if one.submission_id in born}
    near = Counter(
        kind
        for submission_id in hurt
        for kind in {fault.kind.name for fault in around(storm.injected, *born[submission_id])}  # type: ignore[index]
    )
    return Result(
        plan=plan,
        sent=traffic.sent,
        answers=traffic.answers,
        states=_states(site),
        injected=storm.injected,
        impossible=storm.impossible,
        no_victim=storm.no_victim,
        deaths={program.name: program.deaths for program in site.programs if program.deaths},
        violations=found,
        near=near,
        histories={one: list(history(site, storm.injected, one)) for one in list(hurt)[:HISTORIES] if one is not None},
        excused=len(excused_crashes(site.db, traffic.sent, site.excuses)),
        took_s=took_s,
    )


def _states(site: Site) -> Mapping[str, int]:
    with site.db.read() as session:
        rows = session.execute(text("SELECT state, count(*) FROM submissions GROUP BY state"))
        return {row[0]: row[1] for row in rows}
