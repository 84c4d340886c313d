"""What the site tells of the shipped measures, for its pages and its API. Costs and values are read once in a process.

A result that is on record never changes, so what is kept is named by the evaluations that it was made of.
"""

from collections.abc import Mapping
from typing import cast

from flask import Flask, current_app

from server.config import services
from server.http.page_cache import KeptPages
from submissions.results.known_measures import KnownResult, ZooResults, known_results, mean_seconds, newest
from submissions.results.similarity import (
    Agreement,
    KnownValues,
    Similar,
    agreement,
    known_values,
    results_on,
    similar_measures,
)
from submissions.results.submission_result import Result
from submissions.storage.submission_head import SubmissionHead

_MOST_KEPT = 50
_EXTENSION = "gengap_kept_measures"


def init_app(app: Flask) -> None:
    app.extensions[_EXTENSION] = KeptPages(_MOST_KEPT)


def public_results() -> tuple[ZooResults, ...]:
    """Return the newest version of each public zoo, once for each target, with the shipped measures' results on it."""
    with services().db.read() as session:
        return newest(known_results(session))


def results_named(zoo_name: str) -> tuple[ZooResults, ...]:
    """Return the results on the public zoo of this name, one for each target; empty if there is no such zoo."""
    return tuple(one for one in public_results() if one.zoo.name == zoo_name)


def seconds_on(listed: ZooResults) -> Mapping[int, float]:
    """Return the seconds per network of each result, by evaluation."""
    ids = tuple(sorted(result.evaluation_id for result in listed.results))

    def read() -> Mapping[int, float]:
        with services().db.read() as session:
            return mean_seconds(session, ids)

    return cast("Mapping[int, float]", _kept().get(("seconds", ids), read))


def agreement_on(listed: ZooResults) -> Agreement:
    """Return how far the measures agree on the networks of a zoo."""
    results = results_on([listed], listed.zoo.zoo_id)
    known = _values(listed.zoo.zoo_id, results)
    return cast(Agreement, _kept().get(("agreement", _named(listed.zoo.zoo_id, results)), lambda: agreement(known)))


def similar_to(submission: SubmissionHead, found: Result) -> Mapping[str, tuple[Similar, ...]]:
    """Return for each zoo the shipped measures that are most similar to a submission, as its reader may know."""
    told = [zoo for zoo in found.zoos if zoo.truth_public and not zoo.in_steps]
    if not told:
        return {}
    with services().db.read() as session:
        listed = known_results(session)
        by_zoo = {zoo.name: results_on(listed, zoo.zoo_id) for zoo in told}
    values = {zoo.name: _values(zoo.zoo_id, by_zoo[zoo.name]) for zoo in told if by_zoo[zoo.name]}
    itself = submission.name if submission.is_baseline else None
    with services().db.read() as session:
        return {
            name: similar
            for name, known in values.items()
            if (similar := similar_measures(session, found, name, known, itself=itself))
        }


def _values(zoo_id: int, results: tuple[KnownResult, ...]) -> KnownValues:
    def read() -> KnownValues:
        with services().db.read() as session:
            return known_values(session, zoo_id, results)

    return cast(KnownValues, _kept().get(("values", _named(zoo_id, results)), read))


def _named(zoo_id: int, results: tuple[KnownResult, ...]) -> tuple[int, ...]:
    return zoo_id, *(result.evaluation_id for result in results)


def _kept() -> KeptPages[object]:
    return cast("KeptPages[object]", current_app.extensions[_EXTENSION])
