"""The OpenAPI document prepared for the page /api: routes by part, the models of a part, what a value is in words."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MODELS = "#/components/schemas/"
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    """A route. operation: what the document says of it."""

    method: str
    path: str
    operation: Mapping[str, Any]

    @property
    def description(self) -> str:
        return re.sub(r"(<br/>)+", " ", self.operation.get("description", "")).strip()

    @property
    def bodies(self) -> list[tuple[str, str]]:
        """The media types that it takes, each with the name of its model; empty for a file."""
        contents = self.operation.get("requestBody", {}).get("content", {})
        return [(media, model_of(content["schema"])) for media, content in contents.items()]

    @property
    def answers(self) -> list[tuple[str, str, str]]:
        """Status, media type and model of each answer that is no error; empty where there is none."""
        return [
            (status, media, model_of(content.get("schema", {})))
            for status, answer in self.operation["responses"].items()
            if status < "400"
            for media, content in (answer.get("content") or {"": {}}).items()
        ]

    @property
    def errors(self) -> list[str]:
        return sorted(status for status in self.operation["responses"] if status >= "400")


@dataclass(frozen=True)
class Part:
    name: str
    text: str
    anchor: str
    routes: tuple[Route, ...]


def parts(document: Mapping[str, Any]) -> tuple[Part, ...]:
    """The routes by part, in the document's order."""
    routes = [
        Route(method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return tuple(
        Part(
            tag["name"],
            tag["description"],
            re.sub(r"[^a-z]+", "-", tag["name"].lower()),
            tuple(route for route in routes if tag["name"] in route.operation["tags"]),
        )
        for tag in document["tags"]
    )


def models(document: Mapping[str, Any], part: Part) -> dict[str, Schema]:
    """Every model that the routes of a part take or answer, and what these are made of, by name."""
    schemas = document["components"]["schemas"]
    waiting = {model for route in part.routes for *_, model in (*route.bodies, *route.answers) if model}
    waiting.add("ProblemDetails")
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting |= set(_named(schemas[name])) - found
    return {name: schemas[name] for name in sorted(found)}


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


def kind_of(schema: Schema) -> str:
    """What a value is, in a few words."""
    if "anyOf" in schema:
        return " or ".join(kind_of(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if model := model_of(schema):
        return f"list of {model}" if schema.get("type") == "array" else model
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}" if "items" in schema else "list"
    return {"date-time": "moment", "binary": "file"}.get(schema.get("format", ""), str(schema.get("type", "anything")))


def model_of(schema: Schema) -> str:
    """The name of the model that a value is, or has a list of; empty where it is none."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_MODELS)
    inner: Schema = schema.get("items") or next(
        (one for one in schema.get("anyOf", ()) if "$ref" in one or "items" in one), {}
    )
    return model_of(inner) if inner else ""


def first_sentence(text: str) -> str:
    """What stands before a longer explanation."""
    return re.split(r"(?<=[.:])\s|\n\n", text.strip())[0].replace("\n", " ")
