"""`make chaos`: a campaign on PostgreSQL and Redis, then a small one on SQLite.

The exit status is 1 if a promise did not hold.
"""

import argparse
import os
import secrets
import signal
import sys
from collections.abc import Sequence

from tests import temporary_files
from tests.chaos.campaign import Plan, run
from tests.chaos.faults import KINDS, kinds_on
from tests.chaos.report import report

SQLITE_SHARE = 5  # the campaign on SQLite has a fifth of the submissions and faults
DATABASES = ("postgresql", "sqlite")


def main() -> int:
    """Run the campaigns that the arguments ask for."""
    asked = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, _interrupt)
    for name in [name for name in os.environ if name.startswith("GENGAP_")]:
        del os.environ[name]
    temporary_files.move_to_memory()
    try:
        return max([_run(plan) for plan in _plans(asked)])
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    finally:
        temporary_files.remove()


def _interrupt(*_: object) -> None:
    """Once: what follows is the end of everything, which a second Ctrl-C must not cut short."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _run(plan: Plan) -> int:
    print(f"{plan.database}: {plan.submissions} submissions, {plan.faults} faults, --seed {plan.seed}", flush=True)
    result = run(plan, lambda said: print(f"  {said}", flush=True))
    print(f"\n{report(result)}\n", flush=True)
    return 1 if result.violations else 0


def _plans(asked: argparse.Namespace) -> Sequence[Plan]:
    databases = DATABASES if asked.database == "both" else (asked.database,)
    plans = []
    for database in databases:
        share = SQLITE_SHARE if asked.database == "both" and database == "sqlite" else 1
        kinds = [kind for kind in kinds_on(database) if not asked.only or kind.name in asked.only]
        plans.append(
            Plan(
                database=database,
                kinds=kinds,
                submissions=max(1, asked.submissions // share),
                faults=asked.faults // share if kinds else 0,
                seed=asked.seed,
                workers=asked.workers,
                scale=asked.scale,
                minutes=asked.minutes,
                drain_s=asked.drain_s,
            )
        )
    return [plan for plan in plans if plan.kinds or not asked.only]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make chaos", description="Inject faults into a real installation")
    parser.add_argument("--submissions", type=int, default=200, help="(default 200)")
    parser.add_argument("--faults", type=int, default=50, help="(default 50)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="of a campaign to be repeated")
    parser.add_argument("--database", choices=(*DATABASES, "both"), default="both", help="(default both)")
    parser.add_argument("--workers", type=int, default=3, help="worker processes of two slots (default 3)")
    parser.add_argument("--scale", type=float, default=0.1, help="of all seconds; more where others work (default 0.1)")
    parser.add_argument("--minutes", type=float, default=60, help="no more submissions and faults after (default 60)")
    parser.add_argument("--drain-s", type=float, default=300, help="seconds for an empty queue (default 300)")
    names = [kind.name for kind in KINDS]
    parser.add_argument("--only", action="append", choices=names, metavar="KIND", help=f"of: {', '.join(names)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
