"""A campaign's result as text."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tests.chaos.campaign import Result

LEAST_TRIES = 2
SHOWN = 15  # violations of one promise


def report(result: Result) -> str:
    """Counts of submissions, answers and faults, the violations, and the histories of the first of them."""
    return "\n".join(_lines(result))


def _lines(result: Result) -> Iterator[str]:
    plan = result.plan
    again = sum(one.tries >= LEAST_TRIES for one in result.sent)
    yield f"{plan.database}, seed {plan.seed}, {plan.workers} workers, {result.took_s / 60:.1f} minutes"
    yield f"{len(result.sent)} submissions accepted, {again} of them after a repeated request: {_counts(result.states)}"
    yield f"answers to requests: {_counts(result.answers)}"
    yield f"measures that were killed from outside and ended as crashed: {result.excused}"
    if result.deaths:
        died = [f"{name} with status {_listed(statuses)}" for name, statuses in result.deaths.items()]
        yield f"programs that ended by themselves and were started again: {'; '.join(died)}"
    yield ""
    yield from _fault_table(result)
    yield ""
    yield from _violations(result)


def _fault_table(result: Result) -> Iterator[str]:
    counts = Counter(fault.kind.name for fault in result.injected)
    yield f"{'fault':34}{'injected':>9}{'no victim':>11}{'near a violation':>18}"
    for kind in result.plan.kinds:
        name = kind.name
        if name in result.impossible:
            yield f"{name:34}  skipped: {result.impossible[name]}"
        else:
            yield f"{name:34}{counts[name]:9}{result.no_victim.get(name, 0):11}{result.near.get(name, 0):18}"
    yield f"{'all':34}{len(result.injected):9}"


def _violations(result: Result) -> Iterator[str]:
    if not result.violations:
        yield "every promise held"
        return
    by_promise = Counter(one.promise for one in result.violations)
    yield f"{len(result.violations)} VIOLATIONS: {_counts(by_promise)}"
    for promise in by_promise:
        found = [one for one in result.violations if one.promise == promise]
        yield f"\n{promise}:"
        for one in found[:SHOWN]:
            yield f"  {f'submission {one.submission_id}: ' if one.submission_id is not None else ''}{one.text}"
        if len(found) > SHOWN:
            yield f"  and {len(found) - SHOWN} more"
    for submission_id, lines in result.histories.items():
        yield f"\nhistory of submission {submission_id}:"
        yield from (f"  {line}" for line in lines)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items())) or "none"
