"""What organizers do through the API: competitions and phases, their zoos, announcements, jobs, uploads, workers."""

import hashlib
from collections.abc import Callable

import pytest
from sqlalchemy import select

from submissions.evaluation import workers
from submissions.storage.records import ActRecord, PhaseRecord, ZooJobRecord
from submissions.zoos.jobs import claim, finish
from tests.records import START
from tests.server.api.clients import ROOT, fields, script
from tests.server.site import Site

OPENS = "2026-03-01T12:00:00Z"


def test_a_competition_is_opened_with_its_first_phase_and_another(site: Site) -> None:
    olga, zoo = script(site, "olga"), site.checked("digits-mlp")
    phase = {"slug": "first", "title": "First", "opens_at": OPENS, "zoos": [zoo], "wall_s": 12.5}
    made = olga.post("/competitions", {"slug": "spring", "title": "Spring", "text": "Who?", "phase": phase})
    assert made.status_code == 201, made.text
    told = made.get_json()
    assert told == olga.get(made.headers["Location"]).get_json()
    assert (told["limits"]["wall_s"], told["limits"]["daily_quota"]) == (12.5, 20)
    assert [one["name"] for one in told["zoos"]] == ["digits-mlp"]
    assert olga.post("/competitions/spring/phases", phase | {"slug": "second", "hidden": True}).status_code == 201
    assert [one["slug"] for one in olga.get("/competitions/spring").get_json()["phases"]] == ["first", "second"]
    assert [one["slug"] for one in script(site).get("/competitions/spring").get_json()["phases"]] == ["first"]
    assert {one["slug"] for one in olga.get("/phases").get_json()["items"]} == {"first", "second"}


@pytest.mark.parametrize(
    ("change", "faulty"),
    [
        ({"slug": "No Good"}, {"slug"}),
        ({"zoos": []}, {"zoos"}),
        ({"zoos": [10**6]}, {"zoos"}),
        ({"wall_s": -1}, {"wall_s"}),
        ({"wall_s": "60"}, {"wall_s"}),
        ({"opens_at": "2026-03-01"}, {"opens_at"}),
        ({"opens_at": "0001-01-01T00:00:00+23:00"}, {"opens_at"}),
        ({"closes_at": "2020-01-01T00:00:00Z"}, {"closes_at"}),
        ({"memory_bytes": 2**80}, {"memory_bytes"}),
        ({"time_rule": "sometimes"}, {"time_rule"}),
        ({"colour": "red"}, {"colour"}),
    ],
)
def test_a_faulty_phase_is_told_per_field(site: Site, change: dict[str, object], faulty: set[str]) -> None:
    site.phase()
    phase = {"slug": "second", "title": "Second", "opens_at": OPENS, "zoos": [site.checked("digits-mlp")]}
    answer = script(site, "olga").post("/competitions/demo/phases", phase | change)
    assert (answer.status_code, fields(answer)) == (422, faulty)


def test_only_what_is_named_changes_of_a_phase(site: Site) -> None:
    phase_id = site.phase(cpu_s=7.0, daily_quota=3)
    olga, path = script(site, "olga"), "/competitions/demo/phases/main"
    before = olga.get(path).get_json()
    after = olga.patch(path, {"wall_s": 5.0, "closes_at": "2030-01-01T00:00:00+01:00"}).get_json()
    assert after["closes_at"] == "2029-12-31T23:00:00Z"
    assert after["limits"] == before["limits"] | {"wall_s": 5.0}
    assert olga.patch(path, {"cpu_s": None, "closes_at": None}).get_json()["limits"]["cpu_s"] is None
    refused = olga.patch(path, {"wall_s": None})
    assert (refused.status_code, fields(refused)) == (422, {"wall_s"})
    with site.db.read() as session:
        assert session.get_one(PhaseRecord, phase_id).daily_quota == 3


def test_what_becomes_visible_must_be_confirmed(site: Site) -> None:
    site.phase(zoos=("hidden",), truth_public=False, uses_ladder=True)
    olga, path = script(site, "olga"), "/competitions/demo/phases/main"
    for change in ({"uses_ladder": False}, {"shows_logs": True}, {"score_step": 0.5}, {"tells": "metrics"}):
        refused = olga.patch(path, change)
        assert (refused.status_code, fields(refused)) == (422, {"confirmed"})
        assert olga.patch(path, change | {"confirmed": True}).status_code == 200
        assert olga.patch(path, change).status_code == 200  # as it is already
    another = site.zoo("another", truth_public=False)
    refused = olga.put(f"{path}/zoos/{another}")
    assert (refused.status_code, fields(refused)) == (422, {"confirmed"})
    assert olga.put(f"{path}/zoos/{another}?confirmed=true").status_code == 200
    told = script(site).get(path).get_json()
    assert (told["has_secret_truth"], told["score_step"], told["tells"], told["is_revealed"]) == (
        *(True, 0.5, "metrics"),
        False,
    )


def test_a_frozen_board_is_shown_again_once(site: Site) -> None:
    site.phase(freezes_at=START)
    olga, path = script(site, "olga"), "/competitions/demo/phases/main"
    refused = olga.post(f"{path}/unfreeze")
    assert (refused.status_code, fields(refused)) == (422, {"confirmed"})
    assert olga.post(f"{path}/unfreeze?confirmed=true").get_json()["freezes_at"] is None
    assert olga.post(f"{path}/unfreeze").status_code == 409


def test_that_everybody_sees_a_hidden_phase_must_be_confirmed(site: Site) -> None:
    site.submission(site.phase(hidden=True), site.ann, cmi=(0.4, 0.4))
    olga, path = script(site, "olga"), "/competitions/demo/phases/main"
    refused = olga.patch(path, {"hidden": False})
    assert (refused.status_code, fields(refused)) == (422, {"confirmed"})
    assert "Everybody sees the phase" in refused.text
    assert script(site).get(f"{path}/leaderboard").status_code == 404
    assert olga.patch(path, {"hidden": False, "confirmed": True}).status_code == 200
    assert script(site).get(f"{path}/leaderboard").status_code == 200


def test_a_competitions_texts_change_and_its_announcements_come_and_go(site: Site) -> None:
    site.phase()
    olga, visitor = script(site, "olga"), script(site)
    changed = olga.patch("/competitions/demo", {"rules": "Be kind.", "team_members": 3}).get_json()
    assert (changed["rules"], changed["team_members"]) == ("Be kind.", 3)
    assert changed == visitor.get("/competitions/demo").get_json()
    assert fields(olga.patch("/competitions/demo", {"team_members": 0})) == {"team_members"}
    made = olga.post("/competitions/demo/announcements", {"title": "News", "text": "A second zoo"})
    assert made.status_code == 201
    assert visitor.get("/competitions/demo/announcements").get_json()["items"] == [made.get_json()]
    path = f"/competitions/demo/announcements/{made.get_json()['id']}"
    assert [olga.delete(path).status_code for _ in range(2)] == [204, 404]
    assert visitor.get("/competitions/demo/announcements").get_json()["items"] == []


def test_zoos_are_attached_replaced_and_detached_and_submissions_run_again(site: Site) -> None:
    phase = site.phase(zoos=("digits-mlp",))
    site.submission(phase, site.ann, cmi=(0.1,))
    olga, path = script(site, "olga"), "/competitions/demo/phases/main/zoos"
    other, third = site.checked("digits-cnn"), site.next_version("digits-cnn")
    assert olga.put(f"{path}/{other}").get_json() == {"evaluated_again": 1}
    assert olga.put(f"{path}/{other}").status_code == 409
    refused = olga.post(f"{path}/{other}/replacement", {"by": site.zoo("other-cnn")})
    assert (refused.status_code, "another zoo" in refused.text) == (409, True)
    assert olga.post(f"{path}/{other}/replacement", {"by": third}).get_json() == {"evaluated_again": 1}
    assert olga.delete(f"{path}/{other}").status_code == 409
    assert olga.delete(f"{path}/{third}").get_json() == {"evaluated_again": 1}
    told = olga.get("/competitions/demo/phases/main").get_json()
    assert [zoo["name"] for zoo in told["zoos"]] == ["digits-mlp"]


def test_a_zoo_is_listed_looked_at_and_checked_again(site: Site) -> None:
    site.phase(zoos=("digits-mlp",))
    zoo, olga = site.checked("digits-mlp"), script(site, "olga")
    (listed,) = olga.get("/zoos").get_json()["items"]
    assert (listed["id"], listed["phases"]) == (zoo, [{"competition": "demo", "phase": "main", "title": "Main phase"}])
    told = olga.get(f"/zoos/{zoo}").get_json()
    assert told["report"]["items"][0]["verdict"] == "ok"
    assert told["job"] is None
    picture = olga.get(f"/zoos/{zoo}/pictures/gaps").get_json()
    assert "vega-lite" in picture["$schema"]
    assert olga.get(f"/zoos/{zoo}/pictures/none").status_code == 404
    begun = olga.post(f"/zoos/{zoo}/check")
    assert begun.status_code == 202
    assert olga.post(f"/zoos/{zoo}/check").get_json() == begun.get_json()
    assert olga.get(f"/zoos/{zoo}").get_json()["job"] == begun.get_json()
    assert olga.get("/zoos/999999").status_code == 404


def test_jobs_bring_zoos_in_from_allowed_folders_and_recipes(make_site: Callable[..., Site]) -> None:
    site = make_site(zoo_sources=["/zoos"])
    olga = script(site, "olga")
    made = olga.post("/zoo-jobs/folder", {"address": "/zoos/digits"})
    assert made.status_code == 201
    assert made.get_json() == olga.get(made.headers["Location"]).get_json()
    assert olga.post("/zoo-jobs/pgdl", {"task": "/zoos/task1", "truth_public": True}).status_code == 201
    assert olga.post("/zoo-jobs/recipe", {"name": "digits-mlp"}).status_code == 201
    assert [job["kind"] for job in olga.get("/zoo-jobs").get_json()["items"]] == ["recipe", "pgdl", "folder"]
    for path, body, faulty in (
        ("folder", {"address": "/etc"}, "address"),
        ("folder", {"address": "/zoos/../etc"}, "address"),
        ("pgdl", {"task": "/elsewhere"}, "task"),
        ("pgdl", {"task": "/zoos/a", "reference": "/elsewhere"}, "reference"),
        ("pgdl", {"task": "/zoos/a", "name": "No Name"}, "name"),
        ("recipe", {}, "name"),
        ("recipe", {"name": "none"}, "name"),
        ("recipe", {"toml": "not toml"}, "toml"),
    ):
        assert fields(olga.post(f"/zoo-jobs/{path}", body)) == {faulty}, (path, body)
    with site.db.read() as session:
        assert len(session.scalars(select(ZooJobRecord)).all()) == 3


def test_a_zoo_is_uploaded_in_pieces(site: Site) -> None:
    olga, content = script(site, "olga"), b"PK\x03\x04 a zoo"
    body = {"filename": "digits.zip", "bytes": len(content), "head_sha256": hashlib.sha256(content[:5]).hexdigest()}
    begun = olga.post("/zoo-uploads", body)
    assert (begun.status_code, begun.get_json()["received"]) == (201, 0)
    path = f"/zoo-uploads/{begun.get_json()['upload_id']}"

    def send(offset: int, piece: bytes) -> int:
        headers = {"Authorization": f"Bearer {olga.token}"}
        answer = olga.client.put(
            f"{ROOT}{path}?offset={offset}", data=piece, headers=headers, content_type="application/octet-stream"
        )
        return answer.status_code

    assert send(0, content[:5]) == 200
    assert send(0, content[:5]) == 409
    assert olga.post("/zoo-uploads", body).get_json() == {"upload_id": path.split("/")[-1], "received": 5}
    assert olga.post(f"{path}/finish").status_code == 409
    assert send(5, content[5:]) == 200
    job = olga.post(f"{path}/finish")
    assert (job.status_code, job.get_json()["kind"]) == (201, "upload")
    assert olga.get(path).status_code == 404


def test_an_empty_or_a_far_too_large_upload_is_refused(site: Site) -> None:
    olga = script(site, "olga")
    for size in (0, 2**50):
        assert olga.post("/zoo-uploads", {"filename": "a.zip", "bytes": size}).status_code == 422


def test_workers_are_listed_with_what_their_sandboxes_hold(site: Site) -> None:
    workers.enter(site.db, "host/1", slots=2, backend="bubblewrap", layers={"seccomp": True}, refusal=None)
    (told,) = script(site, "olga").get("/workers").get_json()["items"]
    assert (told["name"], told["layers"], told["is_alive"]) == ("host/1", {"seccomp": True}, True)


def test_a_done_job_names_its_zoo_and_acts_name_their_people(site: Site) -> None:
    zoo, olga = site.checked("digits-mlp"), script(site, "olga")
    job_id = olga.post(f"/zoos/{zoo}/check").get_json()["id"]
    job = claim(site.db, "worker", 30)
    assert job is not None
    finish(site.db, job.id, "worker", zoo)
    told = olga.get(f"/zoo-jobs/{job_id}").get_json()
    assert (told["state"], told["zoo_id"]) == ("done", zoo)
    with site.db.read() as session:
        count = len(session.scalars(select(ActRecord)).all())
    assert len(olga.get(f"/acts?zoo_id={zoo}").get_json()["items"]) == count
    assert olga.get("/acts?limit=0").status_code == 422
