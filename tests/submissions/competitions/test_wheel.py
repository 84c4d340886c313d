"""The wheel in the starting kit: everybody downloads it, so it holds the packages and nothing else that lies there."""

import io
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_zoo.recipes import RECIPES
from submissions.competitions import wheel as wheels

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    wheels.wheel.cache_clear()
    yield
    wheels.wheel.cache_clear()


def names() -> set[str]:
    with zipfile.ZipFile(io.BytesIO(wheels.wheel())) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_stray_files_and_hidden_recipes_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    public = RECIPES["digits-mlp"].read_text()
    lines = [line for line in public.splitlines() if not line.startswith("seed = ")]
    shipped = "model_zoo/recipes/shipped"
    packed = {
        f"{shipped}/digits-mlp.toml": public,
        "scoring/rank.py": "",
        "server/templates/home.html": "",
        "server/static/app.css": "",
        "submissions/baselines/norms/frobenius.py": "",
        "submissions/starting_kit/README.md": "",
    }
    stray = {
        f"{shipped}/secret.toml": "\n".join(["truth_public = false", *lines]),
        f"{shipped}/unfinished.toml": "truth_public =",
        f"{shipped}/secret.toml.orig": "",
        f"{shipped}/.secret.toml": public,
        "model_zoo/truth.json": "",
        "scoring/.rank.py": "",
        "server/.env": "",
        "server/gengap.db": "",
        "server/templates/home.html~": "",
        "submissions/starting_kit/notes.txt": "",
    }
    for name, text in {**packed, **stray}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(wheels, "_ROOT", tmp_path)
    assert names() == packed.keys()


def test_it_holds_the_data_that_the_package_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert {package: tuple(patterns) for package, patterns in declared.items()} == wheels._DATA
    files = {
        path.relative_to(ROOT).as_posix()
        for package, patterns in declared.items()
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
        if path.is_file()
    }
    assert files <= names()
    assert {f"model_zoo/recipes/shipped/{name}.toml" for name in RECIPES} <= files
