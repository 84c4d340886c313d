"""The OpenAPI document prepared for the page /api: routes by part with parameters and responses, and all models."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MODELS = "#/components/schemas/"


@dataclass(frozen=True)
class Parameter:
    name: str
    where: str
    kind: str
    text: str


@dataclass(frozen=True)
class Content:
    """A body or an answer. status: empty for bodies. model: the name of what it is, empty for downloads."""

    status: str
    media: str
    model: str


@dataclass(frozen=True)
class Route:
    id: str
    method: str
    path: str
    summary: str
    description: str
    scope: str
    is_public: bool
    parameters: tuple[Parameter, ...]
    bodies: tuple[Content, ...]
    answers: tuple[Content, ...]
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Part:
    name: str
    text: str
    anchor: str
    routes: tuple[Route, ...]


@dataclass(frozen=True)
class Field:
    name: str
    kind: str
    model: str
    text: str
    is_optional: bool


@dataclass(frozen=True)
class Model:
    name: str
    text: str
    kind: str
    fields: tuple[Field, ...]


def parts(document: Mapping[str, Any]) -> tuple[Part, ...]:
    """The routes by part, in the document's order."""
    routes = [(operation["tags"], route) for operation, route in _routes(document)]
    return tuple(
        Part(
            tag["name"],
            tag["description"],
            re.sub(r"[^a-z]+", "-", tag["name"].lower()),
            tuple(route for tags, route in routes if tag["name"] in tags),
        )
        for tag in document["tags"]
    )


def models(document: Mapping[str, Any], part: Part) -> tuple[Model, ...]:
    """Every model that the routes of a part take or answer, and what these are made of, by name."""
    schemas = document["components"]["schemas"]
    contents = (content for route in part.routes for content in (*route.bodies, *route.answers))
    waiting = {content.model for content in contents if content.model} | {"ProblemDetails"}
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(_named(schemas[name])) - found
    return tuple(
        Model(name, _first_sentence(schemas[name].get("description", "")), _kind(schemas[name]), _fields(schemas[name]))
        for name in sorted(found)
    )


def _named(schema: object) -> Iterator[str]:
    """The models that a schema refers to, wherever it does."""
    if isinstance(schema, Mapping):
        if "$ref" in schema:
            yield str(schema["$ref"]).removeprefix(_MODELS)
        for name, inner in schema.items():
            if name != "$defs":
                yield from _named(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _named(inner)


def _routes(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Route]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield operation, _route(path, method, operation)


def _route(path: str, method: str, operation: Mapping[str, Any]) -> Route:
    answers = operation["responses"]
    wanted = operation["security"]
    return Route(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation.get("summary", ""),
        description=re.sub(r"(<br/>)+", " ", operation.get("description", "")).strip(),
        scope=wanted[-1]["token"][0],
        is_public={} in wanted,
        parameters=tuple(
            Parameter(one["name"], one["in"], _kind(one["schema"]), one.get("description", ""))
            for one in operation.get("parameters", ())
        ),
        bodies=tuple(_contents("", operation.get("requestBody", {}))),
        answers=tuple(
            content for status, answer in answers.items() if status < "400" for content in _contents(status, answer)
        ),
        errors=tuple(sorted(status for status in answers if status >= "400")),
    )


def _contents(status: str, about: Mapping[str, Any]) -> Iterator[Content]:
    contents = about.get("content", {})
    for media, content in contents.items():
        yield Content(status, media, _model(content["schema"]))
    if not contents and status:
        yield Content(status, "", "")


def _fields(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    needed = schema.get("required", ())
    return tuple(
        Field(name, _kind(field), _model(field), field.get("description", ""), name not in needed)
        for name, field in schema.get("properties", {}).items()
    )


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value is, in a few words."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if model := _model(schema):
        return f"list of {model}" if schema.get("type") == "array" else model
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}" if "items" in schema else "list"
    return {"date-time": "moment", "binary": "file"}.get(schema.get("format", ""), str(schema.get("type", "anything")))


def _model(schema: Mapping[str, Any]) -> str:
    """The name of the model that a value is, or has a list of; empty where it is none."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_MODELS)
    inner: Mapping[str, Any] = schema.get("items") or next(
        (one for one in schema.get("anyOf", ()) if "$ref" in one or "items" in one), {}
    )
    return _model(inner) if inner else ""


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[.:])\s|\n\n", text.strip())[0].replace("\n", " ")
