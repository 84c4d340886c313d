"""Submissions through the API: sent as text or file, watched, cancelled, chosen, read back, moderated."""

import io
import zipfile
from datetime import timedelta

import pytest

from submissions.storage.records import CountRule, utc_now
from submissions.storage.states import Reason, State
from tests.server.api.clients import Form, fields, give_code, make_team, script
from tests.server.site import GOOD_MEASURE, Site

PATH = "/competitions/demo/phases/main/submissions"
WANTED = {"name": "Norms", "source": GOOD_MEASURE.decode()}


def test_a_measure_is_submitted_as_text(site: Site) -> None:
    site.phase()
    ann = script(site, "ann")
    answer = ann.post(PATH, WANTED | {"description": "Two\nlines", "link": "https://example.org/paper"})
    assert answer.status_code == 201
    told = answer.get_json()
    assert told == ann.get(answer.headers["Location"]).get_json()
    assert (told["name"], told["state"], told["author"]) == ("Norms", "queued", "ann")
    assert (told["competition"], told["phase"], told["description"]) == ("demo", "main", "Two\nlines")
    assert [(zoo["name"], zoo["networks"], zoo["done"]) for zoo in told["zoos"]] == [
        ("digits-mlp", 12, 0),
        ("digits-cnn", 12, 0),
    ]
    source = ann.get(f"/submissions/{told['id']}/source")
    assert source.data == GOOD_MEASURE
    assert "complexity.py" in source.headers["Content-Disposition"]


def test_a_measure_is_submitted_as_a_file(site: Site) -> None:
    site.phase()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("complexity.py", GOOD_MEASURE)
    ann = script(site, "ann")
    for filename, content in (("norms.py", GOOD_MEASURE), ("norms.zip", packed.getvalue())):
        answer = ann.post(PATH, Form({"name": "Norms"}, filename, content))
        assert answer.status_code == 201, answer.text
        source = ann.get(f"/submissions/{answer.get_json()['id']}/source")
        assert (source.data, filename in source.headers["Content-Disposition"]) == (content, True)


def test_an_old_submission_is_sent_once_more(site: Site) -> None:
    phase = site.phase()
    old = site.submission(phase, site.ann, cmi=(0.1, 0.2))
    give_code(site, old, GOOD_MEASURE)
    ann, bob = script(site, "ann"), script(site, "bob")
    told = ann.post(PATH, {"name": "Again", "parent": old, "confirmed": True}).get_json()
    assert told["parent"] == old
    assert ann.get(f"/submissions/{told['id']}/source").data == GOOD_MEASURE
    assert fields(bob.post(PATH, {"name": "Stolen", "parent": old})) == {"parent"}


@pytest.mark.parametrize(
    ("body", "faulty"),
    [
        ({"name": "", "source": "def complexity(model, dataset): return 1.0"}, {"name"}),
        ({"name": "a", "source": "def complexity(model, dataset) return"}, {"source"}),
        ({"name": "a", "source": "x = 1"}, {"source"}),
        ({"name": "a"}, {"source"}),
        ({"source": "x = 1"}, {"name"}),
        ({"name": "a", "source": "x", "filename": "norms.exe"}, {"source"}),
        ({"name": "a", "parent": 10**6}, {"parent"}),
        (WANTED | {"link": "javascript:alert(1)"}, {"link"}),
        (Form({"name": "a"}), {"file"}),
        (Form({"name": "a"}, "a.py", b"x = 1"), {"file"}),
        (Form({"name": "a", "colour": "red"}, "a.py", GOOD_MEASURE), {"colour"}),
    ],
)
def test_what_is_wrong_is_told_per_field_and_nothing_is_stored(site: Site, body: object, faulty: set[str]) -> None:
    site.phase()
    answer = script(site, "ann").post(PATH, body)
    assert (answer.status_code, fields(answer)) == (422, faulty)
    assert site.states() == []


def test_an_upload_larger_than_allowed_is_refused(site: Site) -> None:
    site.phase()
    answer = script(site, "ann").post(PATH, Form({"name": "a"}, "a.py", b"#" * (site.settings.upload_bytes + 10**6)))
    assert (answer.status_code, fields(answer)) == (413, set())


def test_a_phase_that_has_closed_takes_nothing_and_says_so_before(site: Site) -> None:
    site.phase(closes_at=utc_now() - timedelta(days=1))
    ann = script(site, "ann")
    answer = ann.post(PATH, WANTED)
    assert (answer.status_code, fields(answer)) == (409, set())
    assert "closed" in answer.get_json()["detail"]
    assert "closed" in ann.get("/competitions/demo/phases/main/quota").get_json()["refusal"]


def test_the_quota_tells_what_is_left(site: Site) -> None:
    site.phase(daily_quota=2)
    ann, path = script(site, "ann"), "/competitions/demo/phases/main/quota"
    assert ann.get(path).get_json() == {"daily": 2, "spent": 0, "held": 0, "remaining": 2, "refusal": None}
    wanted = WANTED | {"confirmed": True}
    assert [ann.post(PATH, wanted).status_code for _ in range(3)] == [201, 201, 409]
    told = ann.get(path).get_json()
    assert (told["remaining"], told["held"]) == (0, 2)
    assert told["refusal"] == ann.post(PATH, WANTED).get_json()["detail"]


def test_own_submissions_are_listed_the_newest_first(site: Site) -> None:
    phase = site.phase()
    made = [site.submission(phase, site.ann, name=f"Number {number}", cmi=(0.1, 0.2)) for number in range(3)]
    site.submission(phase, site.bob, name="Other")
    told = script(site, "ann").get("/submissions?per_page=2").get_json()
    assert [one["id"] for one in told["items"]] == made[:0:-1]
    assert told["total"] == 3


def test_own_submissions_are_narrowed_to_a_phase(site: Site) -> None:
    main, other = site.phase(), site.phase("other")
    site.phase("secret", hidden=True)
    made = site.submission(main, site.ann, cmi=(0.1, 0.2))
    site.submission(other, site.ann, cmi=(0.1, 0.2))
    ann = script(site, "ann")
    told = ann.get("/submissions?competition=demo&phase=main").get_json()
    assert ([one["id"] for one in told["items"]], told["total"]) == ([made], 1)
    assert fields(ann.get("/submissions?phase=main")) == {"competition"}
    assert fields(ann.get("/submissions?competition=demo&phase=none")) == {"phase"}
    assert fields(ann.get("/submissions?competition=demo&phase=secret")) == {"phase"}


def test_a_measure_is_checked_without_being_stored(site: Site) -> None:
    site.phase()
    ann, path = script(site, "ann"), f"{PATH}/check"
    told = ann.post(path, {"source": 'TRACK = "extended"\nNEEDS = ["siblings"]\ndef complexity(m, d, c): return 1.0\n'})
    assert (told.get_json()["track"], told.get_json()["needs"]) == ("extended", ["siblings"])
    sent = ann.post(path, Form({}, "norms.py", GOOD_MEASURE)).get_json()
    assert (sent["filename"], sent["files"], sent["track"]) == ("norms.py", ["complexity.py"], "standard")
    assert fields(ann.post(path, {"source": "def complexity(m, d) return"})) == {"source"}
    assert fields(ann.post(path, Form({"x": "1"}, "a.py", GOOD_MEASURE))) == {"x"}
    assert fields(ann.post(path, Form({}, "a.py", b"x = 1"))) == {"file"}
    assert site.states() == []


def test_a_failure_is_told_to_its_author_alone(site: Site) -> None:
    phase = site.phase(shows_logs=True)
    failed = site.submission(phase, site.ann, reason=Reason.RAISED)
    site.failure(failed, 3, message="a secret", log="printed")
    path = f"/submissions/{failed}"
    told = script(site, "ann").get(path).get_json()
    assert (told["state"], told["reason"]) == ("failed", "raised")
    assert told["failure"]["ordinal"] == 3
    assert (told["failure"]["message"], told["failure"]["log"]) == ("a secret", "printed")
    for name in (None, "bob"):
        seen = script(site, name).get(path)
        assert (seen.get_json()["reason"], seen.get_json()["failure"]) == ("raised", None)
        assert "secret" not in seen.text


def test_a_submission_is_cancelled_once(site: Site) -> None:
    running = site.submission(site.phase(), site.ann, done=1)
    ann = script(site, "ann")
    assert ann.post(f"/submissions/{running}/cancel").get_json()["state"] == "cancelled"
    assert ann.post(f"/submissions/{running}/cancel").status_code == 409
    assert site.states() == [State.CANCELLED]


def test_a_team_mate_does_what_the_author_does(site: Site) -> None:
    phase = site.phase()
    running = site.submission(phase, site.ann, done=1)
    give_code(site, running, GOOD_MEASURE)
    bob = script(site, "bob")
    assert bob.get(f"/submissions/{running}/source").status_code == 403
    bob.post(f"/invitations/{make_team(site, phase, site.ann)}/accept")
    assert bob.get(f"/submissions/{running}/source").data == GOOD_MEASURE
    assert bob.post(f"/submissions/{running}/cancel").status_code == 200


def test_a_team_chooses_where_the_phase_lets_it(site: Site) -> None:
    free = site.phase("free", count_rule=CountRule.CHOSEN)
    best = site.phase("best")
    ann = script(site, "ann")
    chosen = site.submission(free, site.ann, cmi=(0.1, 0.2))
    assert ann.post(f"/submissions/{chosen}/choose").get_json()["is_chosen"] is True
    refused = ann.post(f"/submissions/{site.submission(best, site.ann, cmi=(0.1, 0.2))}/choose")
    assert (refused.status_code, fields(refused)) == (409, set())


def test_organizers_hide_and_show_disqualify_and_requalify(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    olga, bob, path = script(site, "olga"), script(site, "bob"), f"/submissions/{submission}"
    assert olga.put(f"{path}/hidden", {"reason": "a copy"}).get_json()["is_hidden"] is True
    assert bob.get(path).status_code == 404
    assert olga.delete(f"{path}/hidden").get_json()["is_hidden"] is False
    assert bob.get(path).status_code == 200
    assert olga.put(f"{path}/disqualified", {}).get_json()["is_disqualified"] is True
    assert olga.delete(f"{path}/disqualified").get_json()["is_disqualified"] is False
    acts = olga.get("/acts").get_json()["items"]
    assert [(act["user"], act["act"]) for act in acts[:4]] == [
        ("olga", "requalified"),
        ("olga", "disqualified"),
        ("olga", "showed"),
        ("olga", "hid"),
    ]
    assert acts[3]["detail"] == f"submission {submission}: a copy"


def test_organizers_run_an_ended_submission_again(site: Site) -> None:
    phase = site.phase()
    scored, running = site.submission(phase, site.ann, cmi=(0.1, 0.2)), site.submission(phase, site.ann, done=1)
    olga = script(site, "olga")
    told = olga.post(f"/submissions/{scored}/rerun", {}).get_json()
    assert (told["state"], told["attempt"], told["score"]) == ("queued", 2, None)
    assert olga.post(f"/submissions/{running}/rerun", {}).status_code == 409


def test_a_poll_of_a_submission_that_has_not_moved_is_a_304(site: Site) -> None:
    running = site.submission(site.phase(), site.ann, done=1)
    ann, path = script(site, "ann"), f"/submissions/{running}"
    etag = ann.get(path).headers["ETag"]
    assert ann.get(path, If_None_Match=etag).status_code == 304
    site.add_values(running, 2)
    assert ann.get(path, If_None_Match=etag).get_json()["done"] > 2
