"""Declaring routes of the API: access, inputs and outputs of a view, from which the OpenAPI document is generated.

A view is a plain function. Its parameter names say what it needs: names in the URL, `query` and `body` (models, which
are checked before the call). It returns a response model, `Created`, a Flask response (a download), or None (204).
Responses to GET have an ETag. Inputs are checked here instead of by flask-openapi3, which parses JSON twice and guesses
types.
"""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Generic, Self, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlencode

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.schema import Schema
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI
from pydantic import BaseModel, Field, ValidationError, create_model

from server.api.fields import Body, Id, Listing, Query, Secret, Slug
from server.auth.access import Allowed, Who, allow
from server.auth.bearer import VERSION_PREFIX
from server.auth.parameters import KINDS, IdConverter, SecretConverter, SlugConverter, kinds_in
from server.http import idempotency
from server.problems import MEDIA_TYPE, FieldError, Problem, ProblemDetails, faulty
from submissions.competitions.competitions import CompetitionRefused
from submissions.competitions.exposure import UnconfirmedError
from submissions.competitions.phases import PhaseError
from submissions.intake.details import DetailsError
from submissions.intake.submit import SubmissionRefused
from submissions.leaderboard.standings import ChoiceRefused
from submissions.people.accounts import AccountError
from submissions.people.teams import TeamRefused
from submissions.people.tokens import Scope, TokenError
from submissions.zoos.uploads import UnknownUpload, UploadError, WrongOffset

View = TypeVar("View", bound=Callable[..., Any])
AnyModel = TypeVar("AnyModel", bound=BaseModel)

JSON = "application/json"
_COMPONENTS = "#/components/schemas/"
_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": f"{_COMPONENTS}{ProblemDetails.__name__}"}}}

# What views need not catch: refusals with a sentence per faulty field (422), and those of the whole request.
_FAULTS = (AccountError, CompetitionRefused, DetailsError, PhaseError, TokenError, UnconfirmedError)
_REFUSALS: Mapping[type[Exception], int] = {
    ChoiceRefused: 409,
    SubmissionRefused: 409,
    TeamRefused: 409,
    UnknownUpload: 404,
    UploadError: 422,
    WrongOffset: 409,
}

# Where pydantic's own sentence is for programmers.
_MESSAGES = {"string_pattern_mismatch": "It contains characters that are not allowed here."}

_TYPES: Mapping[type, Any] = {IdConverter: Id, SlugConverter: Slug, SecretConverter: Secret}


@dataclass(frozen=True)
class Created(Generic[AnyModel]):
    """A new object and its address."""

    answer: AnyModel
    location: str


class Routes:
    """The routes of one part of the API. place: where in the document it stands."""

    def __init__(self, place: int, name: str, title: str, text: str) -> None:
        self.place = place
        self.blueprint = APIBlueprint(
            f"api_{name}", __name__, url_prefix=VERSION_PREFIX, abp_tags=[Tag(name=title, description=text)]
        )

    def register(self, app: OpenAPI) -> None:
        """Make them routes of the application. Where two parts share an address, both stand in the document."""
        before = dict(app.paths)
        app.register_api(self.blueprint)
        for path in before.keys() & self.blueprint.paths.keys():
            added = {method: operation for method, operation in self.blueprint.paths[path] if operation is not None}
            app.paths[path] = before[path].model_copy(update=added)

    def get(self, rule: str, allowed: Allowed, scope: Scope = Scope.READ, **about: Any) -> Callable[[View], View]:
        return self._route("get", rule, allowed, scope, **about)

    def post(self, rule: str, allowed: Allowed, scope: Scope, **about: Any) -> Callable[[View], View]:
        return self._route("post", rule, allowed, scope, **about)

    def put(self, rule: str, allowed: Allowed, scope: Scope, **about: Any) -> Callable[[View], View]:
        return self._route("put", rule, allowed, scope, **about)

    def patch(self, rule: str, allowed: Allowed, scope: Scope, **about: Any) -> Callable[[View], View]:
        return self._route("patch", rule, allowed, scope, **about)

    def delete(self, rule: str, allowed: Allowed, scope: Scope, **about: Any) -> Callable[[View], View]:
        return self._route("delete", rule, allowed, scope, **about)

    def _route(
        self,
        method: str,
        rule: str,
        allowed: Allowed,
        scope: Scope,
        *,
        download: str | None = None,
        takes: Mapping[str, type[BaseModel] | dict[str, Any]] | None = None,
        accepted: bool = False,
        conflicts: bool = False,
        may_lack: bool = False,
        is_secret: bool = False,
        can_resume: bool = False,
    ) -> Callable[[View], View]:
        """Declare a route.

        download: the media type of a response that is not a model. takes: bodies by media type, as models or schemas,
        if the view reads the request itself. accepted: the work continues after the response (202). conflicts: the
        request may conflict with the current state (409). may_lack: a file that it needs may be unavailable (503).
        is_secret: the response is shown once and not kept. can_resume: the view makes the same object again if it is
        called once more with the same idempotency key.
        """

        def declare(view: View) -> View:
            wanted = _Wanted.of(view, rule)
            carried_out = _carried_out(view, wanted, 202 if accepted else 200)
            if wanted.creates:
                carried_out = _carried_out_once(carried_out, can_resume=can_resume, keeps_body=not is_secret)
            documented = carried_out
            further = {409: conflicts or wanted.creates, 503: may_lack}
            documented = allow(allowed, scope)(documented)
            register = getattr(self.blueprint, method)
            register(
                rule,
                operation_id=f"{self.blueprint.name.removeprefix('api_')}_{view.__name__}",
                security=[{}, {"token": [scope]}] if allowed is Who.VISITOR else [{"token": [scope]}],
                responses=_responses(
                    method, wanted, download, bool(takes), 202 if accepted else 200, [s for s in further if further[s]]
                ),
                openapi_extensions=self._bodies(takes) if takes else None,
            )(documented)
            return view

        return declare

    def _bodies(self, takes: Mapping[str, type[BaseModel] | dict[str, Any]]) -> dict[str, Any]:
        """Return the OpenAPI description of bodies that a view reads itself; their models become components."""
        content = {}
        for media, taken in takes.items():
            if isinstance(taken, dict):
                content[media] = {"schema": taken}
            else:
                schema = taken.model_json_schema(ref_template=f"{_COMPONENTS}{{model}}")
                self.blueprint.components_schemas[taken.__name__] = Schema(**schema)
                content[media] = {"schema": {"$ref": f"{_COMPONENTS}{taken.__name__}"}}
        return {"requestBody": {"required": True, "content": content}}


@dataclass(frozen=True)
class _Wanted:
    """The inputs and the output of a view."""

    names: tuple[str, ...]
    path: type[BaseModel] | None
    query: type[Query] | None
    body: type[Body] | None
    answer: type[BaseModel] | None
    creates: bool

    @classmethod
    def of(cls, view: Callable[..., Any], rule: str) -> Self:
        hints = get_type_hints(view, include_extras=True)
        in_rule = kinds_in(rule)
        path = None
        if in_rule:
            kinds = {name: KINDS[kind] for name, kind in in_rule.items()}
            fields: dict[str, Any] = {
                name: (_TYPES[kind.converter], Field(description=kind.text)) for name, kind in kinds.items()
            }
            path = create_model(f"{view.__name__}_path", **fields)
        returned = hints["return"]
        creates = get_origin(returned) is Created
        answer = get_args(returned)[0] if creates else returned
        is_model = inspect.isclass(answer) and issubclass(answer, BaseModel)
        return cls(
            names=tuple(name for name in in_rule if name in hints),
            path=path,
            query=hints.get("query"),
            body=hints.get("body"),
            answer=answer if is_model else None,
            creates=creates,
        )

    @property
    def annotations(self) -> dict[str, Any]:
        """Return what flask-openapi3 reads."""
        header = _KeyHeader if self.creates else None
        found = {"header": header, "path": self.path, "query": self.query, "body": self.body}
        return {name: model for name, model in found.items() if model is not None}


class _KeyHeader(BaseModel):
    """The header of requests that create something."""

    key: str = Field(
        default_factory=str,
        alias=idempotency.HEADER,
        pattern=idempotency.PATTERN,
        description="Your own random text: a request that is sent again with it has one effect, and the same answer",
    )


def _carried_out_once(view: Callable[..., Response], **about: bool) -> Callable[..., Response]:
    """Return the view such that requests with the same idempotency key are carried out once."""

    @wraps(view)
    def carried_out(**named: Any) -> Response:
        return idempotency.answered_once(lambda: view(**named), **about)

    return carried_out


def _carried_out(view: Callable[..., Any], wanted: _Wanted, status: int) -> Callable[..., Response]:
    """Return the view with its arguments checked before and its result converted after the call."""

    @wraps(view)
    def carried_out(**named: Any) -> Response:
        arguments = {name: named[name] for name in wanted.names}
        query = _read_query(wanted.query or Query)
        if wanted.query is not None:
            arguments["query"] = query
        if wanted.body is not None:
            arguments["body"] = read_body(wanted.body)
        try:
            return _written(view(**arguments), status)
        except _FAULTS as error:
            raise faulty(error.messages) from None
        except tuple(_REFUSALS) as error:
            raise Problem(_REFUSALS[type(error)], str(error)) from None

    carried_out.__annotations__ = wanted.annotations
    carried_out.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return carried_out


def read_body(model: type[AnyModel]) -> AnyModel:
    """Return the request's JSON as this model. Raises Problem (400, 415, 422)."""
    if request.mimetype != JSON:
        raise Problem(415, f"Send the body as {JSON}.")
    return checked(lambda: model.model_validate_json(request.get_data(cache=False)))


def checked(read: Callable[[], AnyModel]) -> AnyModel:
    """Return what pydantic reads; its errors become a Problem with a sentence per field."""
    try:
        return read()
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    if faults[0]["type"] == "json_invalid":
        raise Problem(400, "The body is not JSON.")
    errors = [
        FieldError(field=".".join(map(str, fault["loc"])), message=_MESSAGES.get(fault["type"], f"{fault['msg']}."))
        for fault in faults
    ]
    raise Problem(422, "The request is invalid; `errors` has the details.", errors)


def _read_query(model: type[AnyModel]) -> AnyModel:
    values: dict[str, str | Sequence[str]] = {}
    for name, given in request.args.lists():
        field = model.model_fields.get(name)
        takes_several = field is not None and "list" in str(field.annotation)
        if len(given) > 1 and not takes_several:
            raise Problem(422, f"Give {name} once.", [FieldError(field=name, message="Give it once.")])
        values[name] = given if takes_several else given[0]
    return checked(lambda: model.model_validate(values))


def _written(result: Any, status: int) -> Response:
    if isinstance(result, Response):
        return result
    if result is None:
        return Response(status=204)
    if isinstance(result, Created):
        made = Response(result.answer.model_dump_json(), 201, mimetype=JSON)
        made.headers["Location"] = result.location
        return made
    made = Response(result.model_dump_json(), status, mimetype=JSON)
    if isinstance(result, Listing) and (links := _links(result)):
        made.headers["Link"] = links
    return cacheable(made) if request.method == "GET" else made


def cacheable(response: Response) -> Response:
    """Return the response with an ETag, or a 304 if the reader has it already."""
    response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
    response.headers["Cache-Control"] = "private, no-cache"
    response.vary.add("Authorization")
    response.make_conditional(request)
    return response


def _links(listing: Listing) -> str:
    """Return the header with the other pages of a list (RFC 8288)."""
    last = max(1, -(-listing.total // listing.per_page))
    pages = {"first": 1, "prev": listing.page - 1, "next": listing.page + 1, "last": last}
    shown = {name: page for name, page in pages.items() if 1 <= page <= last}
    others = [(name, value) for name, value in request.args.items(multi=True) if name != "page"]
    return ", ".join(
        f'<{request.base_url}?{urlencode([*others, ("page", page)])}>; rel="{name}"' for name, page in shown.items()
    )


def _responses(
    method: str, wanted: _Wanted, download: str | None, reads_body: bool, status: int, further: list[int]
) -> dict[str, Any]:
    """Return the OpenAPI description of the responses."""
    found: dict[str, Any] = {}
    if download is not None:
        schema = {"type": "object"} if download == JSON else {"type": "string", "format": "binary"}
        found["200"] = {"content": {download: {"schema": schema}}}
    elif wanted.answer is None:
        found["204"] = None
    else:
        found[str(201 if wanted.creates else status)] = wanted.answer
    if method == "get":
        found["304"] = {"description": "Nothing has changed since the ETag that If-None-Match names."}
    takes_body = wanted.body is not None or reads_body
    errors = [400, 401, 403, 422, 429, *further]
    errors += [404] if wanted.path is not None else []
    errors += [413, 415] if takes_body else []
    return found | {str(error): {"content": _PROBLEM} for error in sorted(errors)}
