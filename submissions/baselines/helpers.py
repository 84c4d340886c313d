"""Which modules of the package `gengap_measures` a measure builds on, found in its text. Nothing is imported.

`gengap baselines` calls it: values that are kept stay valid as long as the measure and these modules stay as they are.
"""

import ast
import hashlib
from collections.abc import Iterator, Mapping
from functools import cache

from submissions.baselines import HELPERS

PACKAGE = HELPERS.name


def helpers_sha256(source: bytes) -> str:
    """The digest of the helper modules that the measure `source` imports, and of what those import in turn.

    Of their code: comments, docstrings and protocols, which are for type checkers, do not matter.
    """
    digest = hashlib.sha256()
    for name in sorted(helper_modules(source)):
        digest.update(f"{name} {_code((HELPERS / f'{name}.py').read_bytes())}\n".encode())
    return digest.hexdigest()


def _code(source: bytes) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
        if isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases):
            node.body = [ast.Pass()]
    return ast.dump(tree)


def helper_modules(source: bytes) -> frozenset[str]:
    """Their names. The package's __init__ is none of them: it only passes names on."""
    found: set[str] = set()
    pending = list(_imported(source))
    while pending:
        if (name := pending.pop()) not in found:
            found.add(name)
            pending += _imported((HELPERS / f"{name}.py").read_bytes())
    return frozenset(found)


def _imported(source: bytes) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=module, names=names) if module == PACKAGE:
                for alias in names:
                    yield from [_homes()[alias.name]] if alias.name in _homes() else _modules()
            case ast.ImportFrom(module=str(module)) if module.startswith(f"{PACKAGE}."):
                yield module.split(".")[1]
            case ast.Import(names=names) if any(alias.name.split(".")[0] == PACKAGE for alias in names):
                yield from _modules()


@cache
def _homes() -> Mapping[str, str]:
    """In which module each name is that the package passes on."""
    tree = ast.parse((HELPERS / "__init__.py").read_bytes())
    return {
        alias.name: node.module.split(".")[1]
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    }


@cache
def _modules() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in HELPERS.glob("*.py") if path.stem != "__init__"))
