"""Errors of the API: problem details (RFC 9457), with a sentence per faulty field.

Views raise `Problem`; `pages.site.errors` converts every other HTTP error below /api to the same form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from flask import Response
from pydantic import BaseModel, Field
from werkzeug.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"

_SENTENCES = {
    400: "The request is malformed.",
    403: "Your account may not do this.",
    404: "There is nothing at this address. It may have moved, or it may not be public.",
    405: "This address does not support this method.",
    413: "The request is larger than this server accepts.",
    429: "Too many requests. Wait as long as Retry-After says.",
    503: "A service that this needs is not available now. Please try again later.",
    500: "This is an error of the server, and it is in its log. Please try again in a moment.",
}


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    field: str = Field(description="Its name; parts of a nested one are joined by dots")
    message: str = Field(description="A sentence for people")


class ProblemDetails(BaseModel):
    """Why a request was not carried out (RFC 9457)."""

    type: str = Field("about:blank", description="Always about:blank: the status says which kind of problem it is")
    title: str = Field(description="The status in words")
    status: int = Field(description="The HTTP status")
    detail: str = Field(description="What was wrong and what to do, in a sentence")
    errors: list[FieldError] = Field(default_factory=list, description="One for each faulty field")


@dataclass
class Problem(HTTPException):
    """Ends the request with this status. `errors`: a sentence per faulty field."""

    status: int
    detail: str
    errors: Sequence[FieldError] = ()
    challenge: str | None = None  # of the header WWW-Authenticate
    retry_after: int | None = None  # seconds

    def __post_init__(self) -> None:
        super().__init__(self.detail)
        self.code = self.status

    __hash__ = HTTPException.__hash__


def faulty(messages: Mapping[str, str]) -> Problem:
    """422 with one sentence per field."""
    errors = [FieldError(field=field, message=message) for field, message in messages.items()]
    return Problem(422, " ".join(messages.values()), errors)


def response(error: HTTPException) -> Response:
    """Return the error as problem details, with the headers of its status (Allow, Retry-After, …)."""
    status = error.code or 500
    detail = error.detail if isinstance(error, Problem) else _SENTENCES.get(status, "The request was not answered.")
    told = ProblemDetails(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        errors=list(error.errors) if isinstance(error, Problem) else [],
    )
    made = Response(told.model_dump_json(), status, mimetype=MEDIA_TYPE)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            made.headers[name] = value
    if isinstance(error, Problem) and error.challenge is not None:
        made.headers["WWW-Authenticate"] = error.challenge
    if isinstance(error, Problem) and error.retry_after is not None:
        made.headers["Retry-After"] = str(error.retry_after)
    return made
