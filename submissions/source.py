"""What a measure's Python sources must look like, judged from their text alone; `submissions.bundle` asks.

Sources are parsed, never compiled: compiling nested `finally` blocks doubles the code at every level.
"""

import ast
import io
import tokenize
from collections.abc import Iterator

from submissions.states import Reason

FUNCTION = "complexity"


class SourceError(Exception):
    """A source that Python or Gengap could not use; the text names the file, the line and the fault.

    reason: what a run of it would fail with, `import_error` or `missing_function`.
    """

    def __init__(self, text: str, reason: Reason = Reason.IMPORT_ERROR) -> None:
        super().__init__(text)
        self.reason = reason


def check_source(path: str, source: bytes) -> None:
    """Raise SourceError unless `source` is UTF-8 Python with no syntax error. path: as messages name it."""
    _parse(path, source)


def check_entry(path: str, source: bytes) -> None:
    """Raise SourceError unless the module binds a function callable as complexity(model, dataset)."""
    bindings = list(_bindings(_parse(path, source)))
    if not bindings:
        raise _no_function(f"{path} defines no function {FUNCTION}(model, dataset) at its top level.")
    last = bindings[-1]
    where = f"{path}, line {last.lineno}: {FUNCTION}"
    if isinstance(last, ast.AsyncFunctionDef):
        raise _no_function(f"{where} is an async function; write it with a plain def.")
    if isinstance(last, ast.ClassDef):
        raise _no_function(f"{where} is a class; it must be a function {FUNCTION}(model, dataset).")
    # A decorator may change what the function takes, so only an undecorated one is judged.
    if isinstance(last, ast.FunctionDef) and not last.decorator_list and not _takes_two(last.args):
        raise _no_function(f"{where} must be callable as {FUNCTION}(model, dataset), with two arguments.")


def _no_function(text: str) -> SourceError:
    return SourceError(text, Reason.MISSING_FUNCTION)


def _parse(path: str, source: bytes) -> ast.Module:
    _check_text(path, source)
    try:
        return ast.parse(source, filename=path)
    except SyntaxError as error:
        where = f"{path}, line {error.lineno}" if error.lineno else path
        raise SourceError(f"{where}: {error.msg}.") from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise SourceError(f"{path} is nested too deeply for Python to parse it.") from error


def _check_text(path: str, source: bytes) -> None:
    try:
        source.decode()
    except UnicodeDecodeError as error:
        raise SourceError(f"{path}, line {_line(source, error.start)}: not UTF-8 text; save it as UTF-8.") from error
    if (position := source.find(b"\0")) >= 0:
        raise SourceError(f"{path}, line {_line(source, position)}: a null byte; this is not a Python source.")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError as error:
        raise SourceError(f"{path}: {error.msg}; save it as UTF-8 without a coding comment.") from error
    if encoding not in ("utf-8", "utf-8-sig"):
        raise SourceError(f"{path} declares the encoding {encoding}; save it as UTF-8 without a coding comment.")


def _line(source: bytes, position: int) -> int:
    return source.count(b"\n", 0, position) + 1


def _bindings(tree: ast.Module) -> Iterator[ast.stmt]:
    """The statements that bind `complexity` in the module's own scope, in the order of the text."""
    pending: list[ast.stmt] = tree.body[::-1]
    while pending:
        statement = pending.pop()
        if _binds(statement):
            yield statement
        if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            pending.extend(reversed(list(_inner_statements(statement))))


def _inner_statements(statement: ast.stmt) -> Iterator[ast.stmt]:
    """The statements directly inside an if, for, while, with, try or match."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            yield from child.body


def _binds(statement: ast.stmt) -> bool:
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


def _takes_two(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required = positional - len(arguments.defaults)
    needs_keyword = any(default is None for default in arguments.kw_defaults)
    return required <= 2 <= (2 if arguments.vararg else positional) and not needs_keyword
