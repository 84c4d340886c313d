"""The organizers' pages for zoos: adding, following a job, reading a check, changing the zoos of a phase."""

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from model_zoo.checks.report import error, warning
from model_zoo.recipes import RECIPES, shipped_recipes
from submissions.storage.records import JobKind, JobState, PhaseRecord, SubmissionRecord, ZooJobRecord, ZooRecord
from submissions.zoos import jobs
from tests.server.site import Site

FAULT = error("training_accuracy", "3 networks have another accuracy.", "Record what the networks have.")
HOSTILE = "<script>alert(1)</script>"
RECIPE = Path("model_zoo/recipes/shipped/digits-mlp.toml")


def text_of(html: str) -> str:
    """What a reader reads: without tags, spaces collapsed."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split()).replace("&#39;", "'").replace("&#34;", '"')


def jobs_on_record(site: Site) -> list[ZooJobRecord]:
    with site.db.read() as session:
        return list(session.scalars(select(ZooJobRecord).order_by(ZooJobRecord.id)))


def zoos_of(site: Site, phase_id: int) -> list[str]:
    with site.db.read() as session:
        return [zoo.label for zoo in session.get_one(PhaseRecord, phase_id).zoos]


def test_the_list_tells_of_every_zoo_its_state_and_phases(site: Site) -> None:
    site.checked("digits-mlp")
    site.checked("digits-cnn", items=[FAULT])
    site.phase(zoos=("digits-mlp",))
    shown = text_of(site.browser("olga").get("/organizer/zoos/").text)
    assert "Digits mlp digits-mlp, version 1 ready public 12" in shown
    assert "Digits cnn digits-cnn, version 1 refused" in shown
    assert "Main phase" in shown


def test_names_and_texts_of_a_zoo_and_its_report_are_no_html(site: Site) -> None:
    zoo = site.checked("digits-mlp", items=[error(HOSTILE, HOSTILE, HOSTILE), warning(HOSTILE, HOSTILE, HOSTILE)])
    with site.db.write() as session:
        record = session.get_one(ZooRecord, zoo)
        record.title = record.source = HOSTILE
    job = jobs.enqueue(site.db, JobKind.UPLOAD, {"filename": HOSTILE}, site.olga)
    jobs.claim(site.db, "w/1", 60)
    jobs.fail(site.db, job, "w/1", HOSTILE)
    olga = site.browser("olga")
    for path in ("/organizer/zoos/", f"/organizer/zoos/{zoo}", f"/organizer/zoos/jobs/{job}", "/organizer/phases/new"):
        assert HOSTILE not in olga.get(path).text


def test_a_refused_zoo_shows_its_report_and_offers_no_phase(site: Site) -> None:
    zoo = site.checked("digits-mlp", items=[warning("spread", "Noisy.", "Train longer."), FAULT])
    site.phase(zoos=("digits-cnn",))
    shown = site.browser("olga").get(f"/organizer/zoos/{zoo}").text
    read = text_of(shown)
    assert "This zoo is refused: its check found 1 error." in read
    assert "error training accuracy 3 networks have another accuracy. Record what the networks have." in read
    assert read.index("3 networks") < read.index("Noisy.") < read.index("1 item is in order")
    assert "/attach" not in shown
    assert "/organizer/phases/new?zoo=" not in shown


def test_a_refused_zoo_cannot_be_attached_by_hand_either(site: Site) -> None:
    zoo = site.checked("digits-mlp", items=[FAULT])
    phase = site.phase(zoos=("digits-cnn",))
    answer = site.browser("olga").post(f"/organizer/zoos/{zoo}/attach", {"phase": phase})
    assert answer.status_code == 422
    assert "digits-mlp@1 is refused" in answer.text
    assert zoos_of(site, phase) == ["digits-cnn@1"]


def test_attaching_replacing_and_detaching_are_carried_out_and_on_record(site: Site) -> None:
    zoo, phase, olga = site.checked("digits-mlp"), site.phase(zoos=("digits-cnn",)), site.browser("olga")
    site.submission(phase, site.ann, cmi=(0.4,))
    page = f"/organizer/zoos/{zoo}"
    assert "(1 to evaluate again)" in olga.get(page).text
    olga.post(f"{page}/attach", {"phase": phase})
    assert zoos_of(site, phase) == ["digits-cnn@1", "digits-mlp@1"]
    shown = text_of(olga.get(page).text)
    assert "Attached. 1 submission is evaluated again." in shown
    assert "1 submission is evaluated again when the zoos of this phase change" in shown
    with site.db.read() as session:
        assert [submission.attempt for submission in session.scalars(select(SubmissionRecord))] == [2]

    newer = site.next_version("digits-mlp")
    assert "Replace it with" in olga.get(page).text
    olga.post(f"{page}/replace", {"phase": phase, "by": newer})
    assert zoos_of(site, phase) == ["digits-cnn@1", "digits-mlp@2"]
    olga.post(f"/organizer/zoos/{newer}/detach", {"phase": phase})
    assert zoos_of(site, phase) == ["digits-cnn@1"]
    history = text_of(olga.get(f"/organizer/zoos/{newer}").text)
    assert "olga detached demo/main" in history
    assert "olga replaced demo/main" in history
    assert "olga attached demo/main" in text_of(olga.get(page).text)


@pytest.mark.parametrize(
    ("act", "fields", "said"),
    [
        ("attach", {}, "Choose a phase."),
        ("attach", {"phase": "x"}, "Choose a phase."),
        ("attach", {"phase": "99"}, "there is no phase with id 99"),
        ("attach", {"phase": "1"}, "uses digits-mlp@1 already"),
        ("detach", {"phase": "1"}, "a phase needs at least one zoo"),
        ("replace", {"phase": "1"}, "Choose the version"),
        ("replace", {"phase": "1", "by": "1"}, "already"),
        ("replace", {"phase": "1", "by": "99999999999"}, "Choose the version"),
    ],
)
def test_a_change_that_is_not_possible_says_why(site: Site, act: str, fields: Mapping[str, str], said: str) -> None:
    zoo, phase = site.checked("digits-mlp"), site.phase(zoos=("digits-mlp",))
    answer = site.browser("olga").post(f"/organizer/zoos/{zoo}/{act}", fields)
    assert answer.status_code == 422
    assert said in text_of(answer.text)
    assert zoos_of(site, phase) == ["digits-mlp@1"]


def test_a_secret_zoo_joins_a_phase_that_shows_logs_only_if_that_is_confirmed(site: Site) -> None:
    phase, hidden = site.phase(shows_logs=True), site.zoo("hidden", truth_public=False)
    olga, path = site.browser("olga"), f"/organizer/zoos/{hidden}"
    refused = olga.post(f"{path}/attach", {"phase": phase})
    assert refused.status_code == 422
    assert "hidden@1 has a hidden truth" in refused.text
    assert 'name="confirmed"' in refused.text
    assert olga.post(f"{path}/attach", {"phase": phase, "confirmed": "on"}).status_code == 302
    with site.db.read() as session:
        assert [zoo.name for zoo in session.get_one(PhaseRecord, phase).zoos] == ["digits-mlp", "digits-cnn", "hidden"]


def test_a_zoo_is_checked_again_by_a_job_and_once_at_a_time(site: Site) -> None:
    zoo, olga = site.checked("digits-mlp"), site.browser("olga")
    for _ in range(2):
        olga.post(f"/organizer/zoos/{zoo}/check")
    assert [(job.kind, job.zoo_id, job.user_id) for job in jobs_on_record(site)] == [(JobKind.RECHECK, zoo, site.olga)]
    shown = olga.get(f"/organizer/zoos/{zoo}").text
    assert "Check again" not in shown
    assert f"/organizer/zoos/jobs/{jobs_on_record(site)[0].id}/progress" in shown


def test_the_pictures_are_those_of_the_report_and_no_others(site: Site) -> None:
    zoo, bare, olga = site.checked("digits-mlp"), site.zoo("digits-cnn"), site.browser("olga")
    for picture in ("gaps", "axes", "accuracies"):
        spec: dict[str, Any] = olga.get(f"/organizer/zoos/{zoo}/pictures/{picture}.json").get_json()
        assert spec["$schema"].endswith("v6.json")
        assert olga.get(f"/organizer/zoos/{bare}/pictures/{picture}.json").status_code == 404
    assert olga.get(f"/organizer/zoos/{zoo}/pictures/secrets.json").status_code == 404


def test_the_public_part_comes_whole_and_without_the_truth(site: Site) -> None:
    zoo = site.checked("digits-mlp")
    answer = site.browser("olga").get(f"/organizer/zoos/{zoo}/public.zip")
    assert answer.headers["Content-Disposition"] == "attachment; filename=digits-mlp-1-public.zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        names = archive.namelist()
        truth = json.loads(archive.read("digits-mlp/zoo.json"))["files"]
    answer.close()
    assert {"digits-mlp/zoo.json", "digits-mlp/public/train.safetensors"} < set(names)
    assert not [name for name in [*names, *truth] if "private" in name]
    assert [path for path in site.settings.home.iterdir() if path.name.startswith(".publish-")] == []


def test_a_folder_and_a_pgdl_task_below_the_allowed_ones_become_jobs(make_site: Callable[..., Site]) -> None:
    site = make_site(zoo_sources=("/data/zoos", "s3://bucket/zoos"))
    olga = site.browser("olga")
    for address in ("/data/zoos/a", "s3://bucket/zoos/b"):
        answer = olga.post("/organizer/zoos/add/folder", {"address": address})
        assert f"Zoo from {address}" in olga.get(answer.location).text
    fields = {"task": "/data/zoos/task1/", "name": "task1", "test_size": "1000", "truth_public": "on"}
    olga.post("/organizer/zoos/add/pgdl", fields)
    assert [job.kind for job in jobs_on_record(site)] == [JobKind.FOLDER, JobKind.FOLDER, JobKind.PGDL]
    assert jobs_on_record(site)[-1].arguments == {
        "task": "/data/zoos/task1",
        "reference": "",
        "name": "task1",
        "title": "",
        "test_size": 1000,
        "truth_public": True,
    }


@pytest.mark.parametrize(
    ("way", "fields", "said"),
    [
        ("folder", {"address": "/etc"}, "/etc is not below any folder that this server allows"),
        ("folder", {"address": ""}, "Give an absolute folder"),
        ("pgdl", {"task": "s3://bucket/zoos/x"}, "is not below any folder"),
        ("pgdl", {"task": "/data/zoos/x", "reference": "/etc/passwd"}, "/etc/passwd is not below"),
        ("pgdl", {"task": "/data/zoos/x", "name": "Task 1"}, "A zoo's name has lower-case letters"),
        ("pgdl", {"task": "/data/zoos/x", "test_size": "many"}, "Give the number of test examples"),
        ("recipe", {"recipe": "none"}, "there is no recipe 'none'"),
        ("recipe", {"recipe": "+", "toml": "name ="}, "This is not TOML"),
        ("recipe", {"recipe": "+", "toml": f"a = {'[' * 20_000}"}, "This TOML is nested too deeply"),
        ("recipe", {"recipe": "+", "toml": f"a = {'9' * 20_000}"}, "This is not TOML"),
        ("recipe", {"recipe": "+", "toml": "name = 'x'"}, "The recipe is wrong: title"),
    ],
)
def test_what_cannot_be_added_is_told_beside_its_form(
    make_site: Callable[..., Site], way: str, fields: Mapping[str, str], said: str
) -> None:
    site = make_site(zoo_sources=("/data/zoos", "s3://bucket/zoos"))
    answer = site.browser("olga").post(f"/organizer/zoos/add/{way}", fields)
    assert answer.status_code == 422
    assert said in text_of(answer.text)
    assert jobs_on_record(site) == []


def test_without_sources_the_page_names_the_setting_and_the_form_is_refused(site: Site) -> None:
    olga = site.browser("olga")
    assert "GENGAP_ZOO_SOURCES" in olga.get("/organizer/zoos/").text
    assert olga.post("/organizer/zoos/add/folder", {"address": "/data"}).status_code == 422


def test_a_recipe_of_ours_and_a_pasted_one_become_jobs(site: Site) -> None:
    olga = site.browser("olga")
    answer = olga.post("/organizer/zoos/add/recipe", {"recipe": "digits-cnn", "toml": "ignored"})
    assert "Training of digits-cnn" in olga.get(answer.location).text
    olga.post("/organizer/zoos/add/recipe", {"recipe": "+", "toml": RECIPE.read_text().replace("\n", "\r\n")})
    assert [job.arguments for job in jobs_on_record(site)] == [
        {"name": "digits-cnn"},
        {"name": "digits-mlp", "toml": RECIPE.read_text().strip()},
    ]


def test_a_jobs_page_follows_it_and_ends_at_the_zoo(site: Site) -> None:
    zoo, olga = site.zoo("digits-mlp"), site.browser("olga")
    job = jobs.enqueue(site.db, JobKind.FOLDER, {"address": "/zoos/digits"}, site.olga)
    page = f"/organizer/zoos/jobs/{job}"
    assert "Waiting for a worker" in olga.get(page).text
    jobs.claim(site.db, "w/1", 60)
    jobs.progress(site.db, job, "w/1", 3, 96, "checking networks")
    first = olga.get(f"{page}/progress", HX_Request="true")
    assert "Working Checking networks … 3 of 96" in text_of(first.text)
    assert olga.get(f"{page}/progress", If_None_Match=first.headers["ETag"]).status_code == 304
    jobs.progress(site.db, job, "w/1", 4 * 2**20, 8 * 2**20, "storing")
    assert "4 MiB of 8 MiB" in olga.get(f"{page}/progress", If_None_Match=first.headers["ETag"]).text
    jobs.finish(site.db, job, "w/1", zoo)
    assert olga.get(f"{page}/progress", HX_Request="true").headers["HX-Redirect"] == page
    assert olga.get(page).location == f"/organizer/zoos/{zoo}"


def test_a_job_that_failed_says_why_and_is_on_the_list(site: Site) -> None:
    job = jobs.enqueue(site.db, JobKind.FOLDER, {"address": "/zoos/digits"}, site.olga)
    jobs.claim(site.db, "w/1", 60)
    jobs.fail(site.db, job, "w/1", "The disk is full.")
    olga = site.browser("olga")
    assert "Failed No zoo was added. The disk is full." in text_of(olga.get(f"/organizer/zoos/jobs/{job}").text)
    assert "hx-get" not in olga.get(f"/organizer/zoos/jobs/{job}").text
    assert "Zoo from /zoos/digits" in olga.get("/organizer/zoos/").text
    assert jobs_on_record(site)[0].state is JobState.FAILED


@pytest.mark.parametrize("path", ["99", "99/pictures/gaps.json", "99/public.zip", "jobs/99", "jobs/99/progress"])
def test_what_is_not_there_is_a_404(site: Site, path: str) -> None:
    assert site.browser("olga").get(f"/organizer/zoos/{path}").status_code == 404


def test_a_recipe_of_a_hidden_zoo_among_the_shipped_ones_is_named_to_organizers_and_not_offered(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public = RECIPES["digits-mlp"].read_text()
    hidden = [line for line in public.splitlines() if not line.startswith("seed = ")]
    (tmp_path / "fine.toml").write_text(public)
    (tmp_path / "secret.toml").write_text("\n".join(["truth_public = false", *hidden]))
    (tmp_path / "torn.toml").write_text(public[:-40] + "[")
    recipes, left_out = shipped_recipes(tmp_path)
    assert list(recipes) == ["fine"]
    assert left_out["secret"] == "a recipe with hidden truth must not be shipped; move the file elsewhere"
    monkeypatch.setattr("model_zoo.recipes.RECIPES", recipes)
    monkeypatch.setattr("server.pages.organizer.zoos.RECIPES", recipes)
    monkeypatch.setattr("server.pages.organizer.zoos.LEFT_OUT", left_out)
    olga = site.browser("olga")
    page = olga.get("/organizer/zoos/")
    assert page.status_code == 200
    assert '<option value="fine"' in page.text
    assert '<option value="secret"' not in page.text
    assert "The recipe secret is not offered: a recipe with hidden truth must not be shipped" in page.text
    assert "The recipe torn is not offered: not TOML" in page.text
    refused = olga.post("/organizer/zoos/add/recipe", {"recipe": "secret"}, form="/organizer/zoos/")
    assert refused.status_code == 422
    assert "there is no recipe" in refused.text
