"""A submission's page on its smoke run, its failure and its repeats; the organizers' page; health of workers."""

import re

import pytest

from submissions.evaluation import workers
from submissions.evaluation.attempts import add_repeats
from submissions.storage.records import Purpose, RunRecord, SubmissionRecord, TimeRule, ValueRecord
from submissions.storage.states import Reason, State
from tests.server.site import Site
from worker.sandbox.layers.layer_table import TABLE


def read(site: Site, submission: int, name: str | None = "ann", part: str = "/status") -> str:
    """What a reader reads on the page: without tags, spaces collapsed."""
    html = site.browser(name).get(f"/submissions/{submission}{part}").text
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()).replace("&#39;", "'")


def test_a_submission_waiting_for_its_smoke_run_says_so_and_looks_often(site: Site) -> None:
    submission = site.submission(site.phase(), created_now=True)
    site.smoke(submission, State.QUEUED)
    assert "It is waiting for a free worker, to be tried on 2 networks of Digits mlp first." in read(site, submission)
    assert "Smoke run Digits mlp 0 of 2" in read(site, submission)
    assert 'hx-trigger="every 500ms"' in site.browser().get(f"/submissions/{submission}").text


def test_a_submission_that_waits_long_is_looked_at_less_often(site: Site) -> None:
    submission = site.submission(site.phase())
    site.smoke(submission, State.QUEUED)
    assert 'hx-trigger="every 2s"' in site.browser().get(f"/submissions/{submission}").text


def test_a_smoke_run_in_progress_and_one_that_passed(site: Site) -> None:
    submission = site.submission(site.phase(), state=State.RUNNING)
    site.smoke(submission, State.RUNNING, done=1)
    assert "It is being tried on 2 networks of Digits mlp before anything else." in read(site, submission)
    passed = site.submission(site.phase("next"), state=State.RUNNING)
    site.smoke(passed, State.SCORED, done=2)
    site.begin(passed, State.QUEUED)
    assert "It passed its smoke run and is waiting for a free worker." in read(site, passed)
    assert "2 of 2 passed" in read(site, passed)
    site.begin(passed, State.RUNNING)
    assert "A worker is evaluating it, one network at a time." in read(site, passed)


def test_a_failure_in_the_smoke_run_says_that_no_quota_is_spent(site: Site) -> None:
    submission = site.submission(site.phase(), reason=Reason.IMPORT_ERROR)
    site.smoke(submission, State.FAILED)
    site.failure(submission, 1, purpose=Purpose.SMOKE, detail="ModuleNotFoundError at complexity.py line 1")
    told = read(site, submission)
    assert "The measure could not be imported. It failed in the smoke run; no quota spent." in told
    assert "smoke run, network 1 of 2 in Digits mlp" in told
    assert "ModuleNotFoundError at complexity.py line 1" in told


def test_a_submission_cancelled_before_it_began_says_that_no_quota_is_spent(site: Site) -> None:
    phase = site.phase()
    early = site.submission(phase, state=State.CANCELLED)
    late = site.submission(phase, state=State.CANCELLED, spends_quota=True)
    assert "It was cancelled before it had a score; no quota spent." in read(site, early)
    assert "It was cancelled before it had a score. Zoo" in read(site, late)


def test_without_a_public_zoo_the_page_says_that_nothing_is_tried_first(site: Site) -> None:
    sentence = "There is no public zoo for a smoke run"
    assert sentence in read(site, site.submission(site.phase(truth_public=False)))
    assert sentence not in read(site, site.submission(site.phase("calm", smoke_networks=0)))


def test_a_failure_with_logs_names_the_networks_ordinal_and_nothing_that_identifies_it(site: Site) -> None:
    phase = site.phase(zoos=("hidden-mlp",), truth_public=False, shows_logs=True)
    submission = site.submission(phase, reason=Reason.RAISED)
    site.failure(submission, 7)
    html = site.browser("ann").get(f"/submissions/{submission}").text
    assert "network 7 of 12 in Hidden mlp" in html
    assert "ValueError at complexity.py line 3" in html
    for network, truth in site.truth("hidden-mlp").items():
        assert network not in html
        for value in truth["metrics"].values():
            assert str(value) not in html


@pytest.mark.parametrize("name", ["ann", "olga"])
def test_a_failure_on_a_hidden_zoo_without_logs_shows_the_reason_alone(site: Site, name: str) -> None:
    submission = site.submission(site.phase(zoos=("hidden-mlp",), truth_public=False), reason=Reason.RAISED, done=5)
    site.failure(submission, 7, message="the message", log="the log")
    told = read(site, submission, name)
    assert "The measure raised an exception." in told
    assert "On hidden zoos, this phase shows only the reason of a failure." in told
    assert "0 of 12" in told
    for part in ("network 7", "ValueError", "line 3", "the message", "the log", "5 of 12", "0.25 s"):
        assert part not in told


@pytest.mark.parametrize("name", [None, "bob"])
def test_where_a_measure_failed_is_its_owners_business(site: Site, name: str | None) -> None:
    submission = site.submission(site.phase(shows_logs=True), reason=Reason.RAISED)
    site.failure(submission, 7, message="the message", log="the log")
    told = read(site, submission, name)
    assert "The measure raised an exception." in told
    for part in ("network 7", "ValueError", "the message", "the log"):
        assert part not in told
        assert part in read(site, submission, "ann")
        assert part in read(site, submission, "olga")


def test_messages_and_logs_are_text_and_never_markup(site: Site) -> None:
    submission = site.submission(site.phase(shows_logs=True), reason=Reason.RAISED)
    evil = "</pre><script>alert(1)</script>"
    site.failure(submission, 1, detail=f"Evil{evil}", message=evil, log=evil * 2000)
    page = site.browser("ann").get(f"/submissions/{submission}").text
    assert "<script>alert" not in page
    assert page.count("&lt;/pre&gt;&lt;script&gt;alert(1)") == 2002
    assert '<pre class="log" tabindex="0"' in page


def repeat(site: Site, submission: int, differences: list[float | None]) -> None:
    """Three repeats of a scored submission; those given have run, and gave the same value, another or none."""
    with site.db.write() as session:
        record = session.get_one(SubmissionRecord, submission)
        scored = {one.zoo_id: one.id for one in record.evaluations if one.purpose is Purpose.SCORE}
        add_repeats(session, record, 3)
        session.expire(record)
        repeats = [
            (one, network)
            for one in record.evaluations
            if one.purpose is Purpose.REPEAT
            for network in one.network_ids or ()
        ]
        for (repeat, network), difference in zip(repeats, differences, strict=False):
            if difference is None:
                session.add(RunRecord(evaluation_id=repeat.id, network_id=network, position=0, state="failed"))
            else:
                value = session.get_one(ValueRecord, (scored[repeat.zoo_id], network)).value + difference
                session.add(ValueRecord(evaluation_id=repeat.id, network_id=network, value=value, wall_s=0.1))


@pytest.mark.parametrize(
    ("differences", "sentence"),
    [
        ([], "3 networks are being evaluated again, to check whether the values are reproducible: 0 so far."),
        ([0.0, 0.0, 0.0], "Deterministic: 3 of 3 networks gave the same value when evaluated again."),
        (
            [0.0, 1e-9, None],
            "Not deterministic: 2 of 3 networks gave a different value when evaluated again.",
        ),
    ],
)
def test_repeats_are_told(site: Site, differences: list[float | None], sentence: str) -> None:
    submission = site.submission(site.phase(), cmi=(0.1, 0.2))
    repeat(site, submission, differences)
    assert sentence in read(site, submission)
    assert "score" in read(site, submission)


def test_limits_of_a_pooled_phase_say_so(site: Site) -> None:
    phase = site.phase(wall_s=300.0, time_rule=TimeRule.POOLED, cpu_s=75.0, repeat_networks=4)
    limit = "300 s of wall time on average, pooled over all networks of a zoo, 75 s of processor time, 2 GiB of memory"
    assert limit in read(site, site.submission(phase), part="")
    pages = " ".join(
        re.sub(r"\s+", " ", site.browser("ann").get(path).text)
        for path in ("/competitions/demo", "/competitions/demo/main/submit")
    )
    assert pages.count(limit) == 2
    assert "every measure is tried on 2 networks of Digits mlp" in pages
    assert "4 networks are evaluated a second time after the score" in pages


LAYERS = {layer.name: layer.name != "seccomp" for layer in TABLE}


def test_health_tells_what_workers_hold_and_lack_but_no_names(site: Site) -> None:
    workers.enter(site.db, "machine/17", slots=2, backend="bubblewrap", layers=LAYERS, refusal="Its sandbox lacks …")
    workers.enter(site.db, "machine/18", slots=4, backend="docker", layers=LAYERS | {"seccomp": True}, refusal=None)
    answer = site.browser().get("/healthz")
    assert answer.status_code == 200
    assert answer.json is not None
    refusing, working = answer.json["workers"]
    assert answer.json["workers_that_take_work"] == 1
    assert (refusing["backend"], refusing["slots"], refusing["layers"]) == ("bubblewrap", 2, LAYERS)
    assert (refusing["takes_work"], refusing["is_alive"], refusing["missing"]) == (False, True, ["seccomp"])
    assert (working["takes_work"], working["missing"]) == (True, [])
    assert "machine" not in answer.text


def test_organizers_see_workers_and_their_layers(site: Site) -> None:
    workers.enter(
        site.db, "machine/17", slots=2, backend="bubblewrap", layers=LAYERS, refusal="Its sandbox lacks seccomp."
    )
    olga = site.browser("olga")
    assert 'href="/organizer/"' in olga.get("/organizer/zoos/").text
    page = " ".join(re.sub(r"<[^>]+>", " ", olga.get("/organizer/").text).split())
    assert "machine/17 takes no work. Its sandbox lacks seccomp." in page
    assert "seccomp required missing" in page
    assert "no network required active" in page
    for layer in TABLE:
        assert layer.name.replace("_", " ") in page


def test_the_way_to_the_organizers_page_is_shown_to_them_alone(site: Site) -> None:
    for name in (None, "ann"):
        assert "/organizer/" not in site.browser(name).get("/").text


def test_without_workers_the_organizers_page_says_how_to_start_one(site: Site) -> None:
    assert "gengap worker" in site.browser("olga").get("/organizer/").text
