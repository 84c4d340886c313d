"""The download of a starting kit: what is in it, who gets one, and that nothing hidden comes along."""

import fcntl
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from model_zoo import ZooError
from server.config import EXTENSION
from submissions.competitions import starting_kit
from submissions.competitions.starting_kit import KitMaker
from submissions.competitions.wheel import wheel_name
from submissions.storage.records import CompetitionRecord
from tests.server.site import Site

PATH = "/competitions/demo/kit.zip"


def _kit(site: Site) -> zipfile.ZipFile:
    answer = site.browser().get(PATH)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == "attachment; filename=gengap-demo-kit.zip"
    return zipfile.ZipFile(io.BytesIO(answer.data))


def test_a_kit_has_everything_that_its_readme_names(site: Site) -> None:
    site.phase()
    with _kit(site) as kit:
        names = kit.namelist()
        readme = kit.read("gengap-demo/README.md").decode()
        assert kit.testzip() is None
    assert {name.split("/")[0] for name in names} == {"gengap-demo"}
    top = {name.split("/")[1] for name in names}
    assert top == {"README.md", "measure.py", "first_look.ipynb", "baselines", "digits-mlp", wheel_name()}
    assert len([name for name in names if "/baselines/" in name]) == 3
    assert "gengap evaluate measure.py --zoo digits-mlp" in readme
    assert f"pip install ./{wheel_name()}" in readme
    assert "--phase demo/main" in readme
    assert "http://127.0.0.1:8000/competitions/demo" in readme
    assert all(f"`{name}" in readme for name in top - {"README.md"})


def test_the_zoo_in_a_kit_carries_its_truth_because_it_is_public(site: Site) -> None:
    site.phase()
    with _kit(site) as kit:
        manifest = json.loads(kit.read("gengap-demo/digits-mlp/zoo.json"))
        assert "private/truth.json" in manifest["files"]
        assert "private/test.safetensors" not in manifest["files"]


def test_a_hidden_zoo_is_in_no_kit(site: Site) -> None:
    site.phase("main", zoos=("secret",), truth_public=False)
    assert site.browser().get(PATH).status_code == 404
    assert "there is no kit" in site.browser().get("/competitions/demo").text
    site.phase("open", zoos=("digits-cnn",))
    with _kit(site) as kit:
        assert not [name for name in kit.namelist() if "/secret/" in name]
        assert "gengap-demo/digits-cnn/zoo.json" in kit.namelist()


def test_the_zoo_of_a_hidden_phase_is_in_no_kit(site: Site) -> None:
    site.phase("main", zoos=("secret",), truth_public=False)
    site.phase("later", zoos=("prepared",), hidden=True)
    assert site.browser().get(PATH).status_code == 404


def test_a_kit_that_the_browser_has_is_not_sent_again(site: Site) -> None:
    site.phase()
    first = site.browser().get(PATH)
    again = site.browser().get(PATH, If_None_Match=first.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    made = [path.name for path in (site.settings.home / "kits" / "demo").iterdir()]
    assert len(made) == 1


def test_the_kit_is_made_once_whatever_host_name_asks_for_it(site: Site) -> None:
    site.phase()
    kits = {site.browser().get(PATH, Host=host).data for host in ("localhost", "h1.example", "h2.example:81")}
    assert len(kits) == 1
    assert len([*(site.settings.home / "kits" / "demo").iterdir()]) == 1


def test_an_organizers_kit_does_not_push_out_the_visitors(site: Site) -> None:
    site.phase("main")
    site.phase("later", hidden=True)
    visitors, organizers = site.browser().get(PATH).headers["ETag"], site.browser("olga").get(PATH).headers["ETag"]
    assert visitors != organizers
    kits = site.settings.home / "kits" / "demo"
    assert {f'"{kit.stem}"' for kit in kits.iterdir()} == {visitors, organizers}
    for number in range(3):
        site.phase(f"next{number}", hidden=True)
        site.browser("olga").get(PATH)
    assert len([*kits.iterdir()]) == 3


def test_nobody_waits_while_a_kit_is_made_and_those_that_are_ready_are_sent(site: Site) -> None:
    site.phase()
    assert site.browser().get(PATH).status_code == 200
    with (site.settings.home / "kits.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert site.browser().get(PATH).status_code == 200
        site.phase("later", hidden=True)
        answer = site.browser("olga").get(PATH)
        assert answer.status_code == 503
        assert int(answer.headers["Retry-After"]) > 0
        assert "It is being made" in answer.text
    assert site.browser("olga").get(PATH).status_code == 200


def _maker(site: Site) -> KitMaker:
    return KitMaker(site.settings, site.db, site.app.extensions[EXTENSION].zoos)


def _stored(site: Site) -> set[str]:
    return {path.stem for path in (site.settings.home / "kits").glob("*/*.zip")}


def test_what_a_worker_has_made_is_sent_and_nothing_is_made_for_the_request(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.phase()
    _maker(site).step()
    (digest,) = _stored(site)
    monkeypatch.setattr(starting_kit, "_pack", lambda *_arguments: 1 / 0)
    answer = site.browser().get(PATH)
    assert (answer.status_code, answer.headers["ETag"]) == (200, f'"{digest}"')


def test_a_worker_makes_each_content_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.phase()
    packed: list[str] = []
    pack = starting_kit._pack

    def noted(path: Path, *others: Any) -> None:
        packed.append(path.stem)
        pack(path, *others)

    monkeypatch.setattr(starting_kit, "_pack", noted)
    maker = _maker(site)
    maker.step()
    assert len(packed) == 1
    site.phase("later", hidden=True)  # which visitors do not see
    maker.step()
    _maker(site).step()  # another worker
    assert len(packed) == 1
    with site.db.write() as session:
        session.scalars(select(CompetitionRecord).where(CompetitionRecord.slug == "demo")).one().title = "Anew"
    maker.step()
    site.browser().get(PATH)
    assert len(packed) == 2
    assert _stored(site) == set(packed)
    for path in (site.settings.home / "kits" / "demo").iterdir():
        path.unlink()
    maker.step()
    assert len(packed) == 2
    assert site.browser().get(PATH).status_code == 200
    assert packed[1:] == [packed[1]] * 2


def test_a_kit_that_cannot_be_made_is_reported_once_and_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site.phase()
    maker = _maker(site)

    def fail(*_arguments: object) -> None:
        raise ZooError("The store does not answer.")

    with monkeypatch.context() as patched:
        patched.setattr(starting_kit, "_pack", fail)
        maker.step()
        maker.step()
    assert [record.getMessage() for record in caplog.records if record.name == starting_kit.__name__] == [
        "The starting kit of demo cannot be made now: The store does not answer."
    ]
    maker.step()
    assert len(_stored(site)) == 1
