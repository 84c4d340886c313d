"""Public docstrings follow numpydoc: every parameter is described, and so is what is returned."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import is_dataclass

import pytest

import scoring


def public_things() -> Iterator[tuple[str, object]]:
    """Every public function, class and public method that the room's modules define."""
    for found in pkgutil.walk_packages(scoring.__path__, "scoring."):
        if found.name.rpartition(".")[2].startswith("_"):
            continue
        module = importlib.import_module(found.name)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
                continue
            if inspect.isfunction(thing):
                yield f"{module.__name__}.{name}", thing
            elif inspect.isclass(thing):
                yield f"{module.__name__}.{name}", thing
                for method_name, method in vars(thing).items():
                    inner = getattr(method, "__func__", method)
                    if not method_name.startswith("_") and inspect.isfunction(inner):
                        yield f"{module.__name__}.{name}.{method_name}", inner


THINGS = dict(public_things())


def test_the_room_is_looked_at() -> None:
    assert {"scoring.statistics.cmi.Cmi", "scoring.truth.Truth.align", "scoring.metrics.collect"} <= THINGS.keys()


@pytest.mark.parametrize("name", THINGS)
def test_every_parameter_and_result_is_described(name: str) -> None:
    thing = THINGS[name]
    text = inspect.getdoc(thing) or ""
    needed = parameters_of(thing)
    fields = section(text, "Parameters") + section(text, "Attributes")
    described = re.findall(r"^(\w+(?:, \w+)*) :", fields, flags=re.MULTILINE)
    listed = {one for entry in described for one in entry.split(", ")}
    assert set(needed) == listed, f"{name}: described are {sorted(listed)}"
    if inspect.isfunction(thing) and needed and inspect.signature(thing).return_annotation is not None:
        assert re.search(r"^(Returns|Yields)\n-+$", text, flags=re.MULTILINE), f"{name} does not say what it returns"


def parameters_of(thing: object) -> list[str]:
    if inspect.isclass(thing) and not is_dataclass(thing) and "__init__" not in vars(thing):
        return []
    assert callable(thing)
    return [name for name in inspect.signature(thing).parameters if name not in ("self", "cls")]


def section(text: str, name: str) -> str:
    found = re.search(rf"^{name}\n-+\n(.*?)(?=^\w[\w ]*\n-+$|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    return found[1] if found else ""
