"""Every command that lists something has `--json`, which prints one object whose `items` is the list."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from model_zoo.recipes import RECIPES, named_recipe
from server.cli import main
from submissions.baselines import BASELINES
from submissions.people.tokens import create_token
from tests.server.site import Site

# Each with what its list contains, by name, on a site where ann has submitted "Norms".
LISTS: dict[str, list[str]] = {
    "status": ["Norms"],
    "leaderboard demo/main": ["Norms"],
    "baselines list": [baseline.name for baseline in BASELINES],
    "zoo list": list(RECIPES),
}


def _commands(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _commands(command, *before, name)
        else:
            yield " ".join((*before, name)), command


def test_these_are_all_commands_that_list_something() -> None:
    found = {
        name
        for name, command in _commands(main)
        if re.search(r"\b(list|leaderboard)\b", f"{name} {command.help}", re.I)
    }
    assert found == {" ".join(word for word in words.split() if "/" not in word) for words in LISTS}


@pytest.mark.parametrize("words", LISTS)
def test_a_list_is_one_object_with_items(
    site: Site, serve: Callable[[Site], str], monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    site.submission(site.phase(), site.ann, cmi=(0.1, 0.2), name="Norms")
    monkeypatch.setenv("GENGAP_URL", serve(site))
    monkeypatch.setenv("GENGAP_TOKEN", create_token(site.db, site.ann, "terminal", ["read"])[1])
    done = CliRunner().invoke(main, [*words.split(), "--json"])
    assert (done.exit_code, done.stderr) == (0, "")
    listed = json.loads(done.stdout)["items"]
    assert [one["name"] for one in listed] == LISTS[words]


def test_a_baseline_is_listed_with_its_track_and_needs() -> None:
    listed = json.loads(CliRunner().invoke(main, ["baselines", "list", "--json"]).stdout)["items"]
    (barrier,) = (one for one in listed if one["name"] == "Mode-connectivity barrier")
    assert (barrier["group"], barrier["track"], barrier["needs"]) == ("siblings", "extended", ["siblings"])


def test_a_recipe_is_listed_with_the_folder_of_its_zoo(digits_cnn: Path, tmp_path: Path) -> None:
    for folder, expected in ((digits_cnn.parent, str(digits_cnn)), (tmp_path, None)):
        done = CliRunner().invoke(main, ["zoo", "list", "--json", "--cache", str(folder)])
        (listed,) = (one for one in json.loads(done.stdout)["items"] if one["name"] == "digits-cnn")
        recipe = named_recipe("digits-cnn")
        assert (listed["folder"], listed["networks"]) == (expected, len(recipe.grid()))
        assert listed["axes"] == [axis.name for axis in recipe.truth_axes()]
