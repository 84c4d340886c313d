"""What a measure declares about itself, read from its source without importing it. Used by `submissions.intake.bundle`.

A module declares at its top level `TRACK = "extended"` and, if it requires them, `NEEDS = ("siblings", …)`.
"""

import ast
import contextlib
import reprlib
from dataclasses import dataclass

from submissions.intake.source import BundleError, module_statements
from submissions.zoos.tracks import OFFERS, TRACKS, Track

_TRACK, _NEEDS = "TRACK", "NEEDS"


@dataclass(frozen=True)
class Declaration:
    """The declaration of a measure. needs: what it requires, in the order of `submissions.zoos.tracks.OFFERS`."""

    track: Track = "standard"
    needs: tuple[str, ...] = ()


def read_declaration(path: str, tree: ast.Module) -> Declaration:
    """Read the declaration of a module.

    Parameters
    ----------
    path : str
        The module's name in messages.

    Raises
    ------
    BundleError
        If the declaration is invalid or cannot be determined without running the module.
    """
    track_line, track = _constant(path, tree, _TRACK, "standard")
    if track not in TRACKS:
        raise _fault(path, track_line, f"{_TRACK} must be {' or '.join(map(repr, TRACKS))}, not {reprlib.repr(track)}")
    needs_line, needs = _constant(path, tree, _NEEDS, ())
    if not isinstance(needs, tuple | list) or not all(isinstance(need, str) for need in needs):
        found = reprlib.repr(needs)
        raise _fault(path, needs_line, f'{_NEEDS} must be a tuple of texts, for example ("siblings",), not {found}')
    if unknown := [need for need in needs if need not in OFFERS]:
        found = reprlib.repr(unknown[0])
        raise _fault(path, needs_line, f"{_NEEDS} names {found}; a zoo may offer {', '.join(OFFERS)}")
    if needs and track != "extended":
        raise _fault(path, needs_line, f'{_NEEDS} is for the extended track; write {_TRACK} = "extended" as well')
    return Declaration(next(known for known in TRACKS if known == track), tuple(n for n in OFFERS if n in needs))


def _constant(path: str, tree: ast.Module, name: str, default: object) -> tuple[int, object]:
    """Return the line and the value of the single literal assignment of `name` at the module's top level."""
    found = [statement for statement in module_statements(tree) if name in _bound(statement)]
    if not found:
        return 0, default
    match found[0]:
        case ast.Assign(targets=[ast.Name()], value=value) | ast.AnnAssign(value=ast.expr() as value):
            if len(found) == 1 and found[0] in tree.body:
                with contextlib.suppress(ValueError, TypeError, RecursionError, MemoryError):
                    return found[0].lineno, ast.literal_eval(value)
    line = found[-1].lineno
    raise _fault(path, line, f"{name} must be assigned once, at the top level, and without any computation")


def _bound(statement: ast.stmt) -> list[str]:
    """Return the names that a statement binds by assignment or import."""
    match statement:
        case ast.Assign(targets=targets):
            return [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.AugAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            return [alias.asname or alias.name for alias in aliases]
    return []


def _fault(path: str, line: int, text: str) -> BundleError:
    return BundleError(f"{path}, line {line}: {text}.", path=path, line=line)
