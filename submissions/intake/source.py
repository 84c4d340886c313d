"""Checks of a measure's Python sources, without compiling or running them. Used by `submissions.intake.bundle`.

`BundleError` is here because checks of sources and of archives raise it.

Sources are parsed but not compiled: compiling nested `finally` blocks doubles the code at every level.
"""

import ast
import io
import tokenize
from collections.abc import Iterator

from submissions.storage.states import Reason

FUNCTION = "complexity"


class BundleError(Exception):
    """The upload cannot be accepted; the text is one sentence for the participant.

    Attributes
    ----------
    reason : Reason or None, optional
        How an evaluation would fail, if the upload is readable but no usable measure; None if the upload itself or its
        declaration is invalid.
    path, line : str or None, optional
        The place of the error, if known; lines count from 1.
    """

    def __init__(
        self, text: str, reason: Reason | None = None, *, path: str | None = None, line: int | None = None
    ) -> None:
        super().__init__(text)
        self.reason = reason
        self.path = path
        self.line = line


def check_entry(path: str, tree: ast.Module, *, takes_context: bool) -> None:
    """Check that the module defines a function that can be called as complexity(model, dataset).

    Parameters
    ----------
    path : str
        The file's name in messages.
    takes_context : bool
        Whether it must be callable as complexity(model, dataset, context), for the extended track.

    Raises
    ------
    BundleError
        If it does not.
    """
    call = f"{FUNCTION}(model, dataset, context)" if takes_context else f"{FUNCTION}(model, dataset)"
    bindings = [statement for statement in module_statements(tree) if _binds(statement)]
    if not bindings:
        raise _no_function(f"{path} defines no function {call} at its top level.", path)
    last = bindings[-1]
    where = f"{path}, line {last.lineno}: {FUNCTION}"
    if isinstance(last, ast.AsyncFunctionDef):
        raise _no_function(f"{where} is an async function; write it with a plain def.", path, last.lineno)
    if isinstance(last, ast.ClassDef):
        raise _no_function(f"{where} is a class; it must be a function {call}.", path, last.lineno)
    # A decorator may change what the function takes, so only an undecorated one is judged.
    if not isinstance(last, ast.FunctionDef) or last.decorator_list:
        return
    if takes_context and not _takes(last.args, 3):
        raise _no_function(
            f'{where} must be callable as {call}, with three arguments, since TRACK is "extended".', path, last.lineno
        )
    if not takes_context and not _takes(last.args, 2) and not _takes_folder(last.args):
        hint = ' A measure with a context says TRACK = "extended".' if _takes(last.args, 3) else ""
        raise _no_function(f"{where} must be callable as {call}, with two arguments.{hint}", path, last.lineno)


def _no_function(text: str, path: str, line: int | None = None) -> BundleError:
    return BundleError(text, Reason.MISSING_FUNCTION, path=path, line=line)


def _no_import(text: str, path: str, line: int | None = None) -> BundleError:
    return BundleError(text, Reason.IMPORT_ERROR, path=path, line=line)


def parse(path: str, source: bytes) -> ast.Module:
    """Return the module's syntax tree.

    Parameters
    ----------
    path : str
        The file's name in messages.

    Raises
    ------
    BundleError
        If the source is not UTF-8 Python without syntax errors.
    """
    _check_text(path, source)
    try:
        return ast.parse(source, filename=path)
    except SyntaxError as error:
        where = f"{path}, line {error.lineno}" if error.lineno else path
        raise _no_import(f"{where}: {error.msg}.", path, error.lineno) from error
    except (RecursionError, MemoryError, ValueError, SystemError) as error:
        raise _no_import(f"{path} is nested too deeply, or too large, for Python to parse it.", path) from error


def _check_text(path: str, source: bytes) -> None:
    try:
        source.decode()
    except UnicodeDecodeError as error:
        line = _line(source, error.start)
        raise _no_import(f"{path}, line {line}: not UTF-8 text; save it as UTF-8.", path, line) from error
    if (position := source.find(b"\0")) >= 0:
        line = _line(source, position)
        raise _no_import(f"{path}, line {line}: a null byte; this is not a Python source.", path, line)
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError as error:
        raise _no_import(f"{path}: {error.msg}; save it as UTF-8 without a coding comment.", path, 1) from error
    if encoding not in ("utf-8", "utf-8-sig"):
        text = f"{path} declares the encoding {encoding}; save it as UTF-8 without a coding comment."
        raise _no_import(text, path, 1)


def _line(source: bytes, position: int) -> int:
    return source.count(b"\n", 0, position) + 1


def module_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of the module's own scope, including those inside an if or a loop, in text order."""
    pending: list[ast.stmt] = tree.body[::-1]
    while pending:
        statement = pending.pop()
        yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            pending.extend(reversed(list(_inner_statements(statement))))


def _inner_statements(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Return the statements directly inside an if, for, while, with, try or match."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def _binds(statement: ast.stmt) -> bool:
    """Check whether the statement binds `complexity`."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name == FUNCTION
        case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
            # `from x import *` may bring the name; only importing it would tell.
            return any((alias.asname or alias.name) in (FUNCTION, "*") for alias in aliases)
        case ast.Assign(targets=targets):
            return any(_names_function(target) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr()):
            return _names_function(target)
    return False


def _names_function(target: ast.expr) -> bool:
    match target:
        case ast.Name(id=name):
            return name == FUNCTION
        case ast.Tuple(elts=elements) | ast.List(elts=elements):
            return any(isinstance(element, ast.Name) and element.id == FUNCTION for element in elements)
    return False


def _takes_folder(arguments: ast.arguments) -> bool:
    """Check whether it is PGDL's complexity(model, dataset, program_dir)."""
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    return names[2:3] == ["program_dir"] and _takes(arguments, 3)


def _takes(arguments: ast.arguments, count: int) -> bool:
    """Check whether the function can be called with this number of positional arguments."""
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    needs_keyword = any(default is None for default in arguments.kw_defaults)
    return required <= count <= (count if arguments.vararg else positional) and not needs_keyword
