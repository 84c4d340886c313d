"""Queries that nearly every request asks, worked out once for each kind of database.

What SQLAlchemy does at each execution, making contexts, parameters and rows, takes five times as long as SQLite's
answer. A `Question` is written in SQLAlchemy, compiled by it and converted by its types, but executed on the driver's
own cursor. It is answered by itself, outside of any session's transaction, and SQLAlchemy's events do not fire.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import OperationalError

from submissions.storage.database import Database

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class _Form:
    """A question as one database takes it. constants: by name, as the driver wants them; order: of `?`, else None.

    results: conversions of a row's values, told by the first row's description.
    """

    sql: str
    constants: Mapping[str, Any]
    order: tuple[str, ...] | None
    binds: Mapping[str, Convert]
    results: list[Convert | None] = field(default_factory=list)


class Question:
    """A select with parameters named by `bindparam`; none of them may be a list."""

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        self._statement = statement
        self._forms: dict[str, _Form] = {}

    def ask(self, db: Database, **values: Any) -> tuple[Any, ...] | None:
        """The first row, with values as SQLAlchemy converts them. Raises SQLAlchemy's OperationalError."""
        dialect = db.engine.dialect
        form = self._forms.get(dialect.name)
        if form is None:
            form = self._forms[dialect.name] = _form(self._statement, dialect)
        given = {name: form.binds[name](value) if name in form.binds else value for name, value in values.items()}
        named = {**form.constants, **given}
        connection = db.engine.raw_connection()
        try:
            cursor = connection.cursor()
            try:
                cursor.execute(form.sql, named if form.order is None else [named[name] for name in form.order])
                row = cursor.fetchone()
                if not form.results:
                    form.results[:] = self._results(dialect, cursor.description)
            finally:
                cursor.close()
        except dialect.loaded_dbapi.Error as error:
            connection.invalidate()
            raise OperationalError(form.sql, None, error) from error
        finally:
            connection.close()
        if row is None:
            return None
        pairs = zip(row, form.results, strict=True)
        return tuple(value if convert is None else convert(value) for value, convert in pairs)

    def _results(self, dialect: Dialect, description: Sequence[Any]) -> list[Convert | None]:
        types = [column.type.dialect_impl(dialect) for column in self._statement.selected_columns]
        told = zip(types, description, strict=True)
        return [kind.result_processor(dialect, column[1]) for kind, column in told]


def _form(statement: Select[*tuple[Any, ...]], dialect: Dialect) -> _Form:
    compiled = statement.compile(dialect=dialect)
    binds: dict[str, Convert] = {}
    for parameter, name in compiled.bind_names.items():
        convert = parameter.type.dialect_impl(dialect).bind_processor(dialect)
        if parameter.expanding:
            raise TypeError("A question takes no lists: they change its text with their length.")
        if convert is not None:
            binds[name] = convert
    constants = {
        name: binds[name](parameter.value) if name in binds else parameter.value
        for parameter, name in compiled.bind_names.items()
        if not parameter.required
    }
    order = tuple(compiled.positiontup) if compiled.positiontup is not None else None
    return _Form(str(compiled), constants, order, binds)
