"""The source of a function that was written in a notebook, with everything that it uses, as a file of its own.

A measure runs in a sandbox, which gets a file and no objects. This module writes that file: the function's source, and
before it the imports, functions, classes and constants of the notebook that it names.
"""

import ast
import builtins
import inspect
import textwrap
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType

FUNCTION = "complexity"
CONSTANTS = (bool, int, float, complex, str, bytes, type(None))


class FunctionSourceError(Exception):
    """The function cannot be written as a file of its own; the text says what stands in the way, and what to do."""


def file_of(function: Callable[..., object]) -> str:
    """Return a Python file that defines `complexity` as this function.

    Parameters
    ----------
    function : callable
        A plain function. It may use other functions and classes of its module or notebook, imported modules and names,
        and constants: numbers, texts, and tuples, lists and dicts of them.

    Raises
    ------
    FunctionSourceError
        If it is no plain function, if its source is not known, or if it uses an object that a file cannot hold.
    """
    if not isinstance(function, FunctionType) or function.__name__ == "<lambda>":
        raise FunctionSourceError("the measure must be a function written with def; or give the path of a .py file")
    if function.__closure__:
        names = ", ".join(function.__code__.co_freevars)
        raise FunctionSourceError(
            f"{function.__name__} uses variables of the function around it ({names}); "
            "define it at the top level of the notebook"
        )
    parts: dict[str, str] = {}
    _add(function, function.__globals__, parts)
    lines = "\n".join(part for part in parts.values() if part.startswith(("import ", "from ")))
    others = "\n\n\n".join(part for part in parts.values() if not part.startswith(("import ", "from ")))
    renamed = "" if function.__name__ == FUNCTION else f"\n\n{FUNCTION} = {function.__name__}\n"
    return f"{lines}\n\n\n{others}\n{renamed}".lstrip()


def _add(defined: FunctionType | type, scope: Mapping[str, object], parts: dict[str, str]) -> None:
    """Add the source of a function or class to `parts`, after what it uses. `parts` maps names to their source."""
    name = defined.__name__
    if name in parts:
        return
    try:
        source = textwrap.dedent(inspect.getsource(defined))
    except (OSError, TypeError) as error:
        raise FunctionSourceError(f"the source of {name} is not known; write it into a file") from error
    parts[name] = ""  # a function may use itself
    for used in _names(source):
        if used in scope and used not in parts and used != name:
            _add_name(used, scope[used], scope, parts)
    del parts[name]
    parts[name] = source.rstrip()


def _names(source: str) -> list[str]:
    """Return the names that a source reads, in order, without Python's own."""
    tree = ast.parse(source)
    read = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
    return [name for name in dict.fromkeys(read) if not hasattr(builtins, name)]


def _add_name(name: str, value: object, scope: Mapping[str, object], parts: dict[str, str]) -> None:
    if isinstance(value, ModuleType):
        imported = value.__name__
        parts[name] = f"import {imported}" if imported == name else f"import {imported} as {name}"
    elif isinstance(value, FunctionType | type) and value.__module__ == scope.get("__name__"):
        if value.__name__ != name:
            raise FunctionSourceError(f"{name} is another name of {value.__name__}; use one name")
        _add(value, scope, parts)
    elif (module := getattr(value, "__module__", None)) and _is_found(module, getattr(value, "__name__", None), value):
        own = value.__name__  # type: ignore[attr-defined]
        parts[name] = f"from {module} import {own}" if own == name else f"from {module} import {own} as {name}"
    elif _is_constant(value):
        parts[name] = f"{name} = {value!r}"
    else:
        raise FunctionSourceError(
            f"the measure uses {name}, a {type(value).__name__} of the notebook, which a file cannot hold; "
            "make it inside the function"
        )


def _is_found(module: str, name: object, value: object) -> bool:
    try:
        return isinstance(name, str) and getattr(__import__(module, fromlist=[name]), name, None) is value
    except ImportError:
        return False


def _is_constant(value: object) -> bool:
    if isinstance(value, tuple | list | set | frozenset):
        return type(value) in (tuple, list, set, frozenset) and all(map(_is_constant, value))
    if isinstance(value, dict):
        return all(_is_constant(key) and _is_constant(one) for key, one in value.items())
    return type(value) in CONSTANTS and repr(value) not in ("nan", "inf", "-inf")
