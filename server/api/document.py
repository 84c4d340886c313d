"""The OpenAPI document of the API, generated once from the routes, and the page that shows it."""

from importlib.metadata import version
from typing import Any, cast

from flask import Blueprint, Response, current_app, json, render_template, request
from flask_openapi3.models.info import Info
from flask_openapi3.models.security_scheme import SecurityScheme
from flask_openapi3.openapi import OpenAPI

from server.api.browse import first_sentence, kind_of, model_of, models, parts
from server.api.routes import JSON, cacheable
from server.auth.access import Who, allow
from server.auth.bearer import VERSION_PREFIX
from server.http.headers import conditional
from server.problems import ProblemDetails
from submissions.people.tokens import SCOPES, Scope

_TEXT = """Everything that the pages can do, in JSON. Create a token on your account's page or with `gengap login`, send
it as `Authorization: Bearer gengap_…`; public data needs no token. Errors are problem details (RFC 9457). Lists come
in pages; the header `Link` has the addresses of the first, previous, next and last page. Answers to GET have an ETag. A
429 says in `Retry-After` how many seconds to wait."""

pages = Blueprint("api", __name__)
for _filter in (first_sentence, kind_of, model_of):
    pages.add_app_template_filter(_filter)


def documented_app(import_name: str) -> OpenAPI:
    """A Flask application that writes down the routes of the API registered with it."""
    scopes = "\n".join(f"- `{scope}`: {sentence}" for scope, sentence in SCOPES.items())
    bearer = SecurityScheme(type="http", scheme="bearer", description=f"An API token with these scopes:\n{scopes}")
    return OpenAPI(
        import_name,
        static_folder=None,
        doc_ui=False,
        info=Info(title="Gengap", version=version("gengap"), description=_TEXT),
        security_schemes={"token": bearer.model_dump(mode="json", exclude_none=True)},
        validation_error_status=422,
        validation_error_model=ProblemDetails,
    )


@pages.get(f"{VERSION_PREFIX}/openapi.json")
@allow(Who.VISITOR, Scope.READ)
def openapi_json() -> Response:
    return cacheable(Response(json.dumps(the_document()), mimetype=JSON))


@pages.get("/api")
@allow(Who.VISITOR)
def browse() -> Response:
    """Every route, for people; with `part` those of one part, with what they take and answer."""
    document = the_document()
    listed = parts(document)
    part = next((one for one in listed if one.anchor == request.args.get("part")), None)
    shown = {} if part is None else models(document, part)
    return conditional(
        lambda: render_template("api/document.html", parts=listed, part=part, models=shown, scopes=SCOPES),
        *(part, shown, listed if part is None else None),
    )


def the_document() -> dict[str, Any]:
    """The OpenAPI document of the running application."""
    return cast(OpenAPI, current_app).api_doc
