"""Error pages: a sentence on what happened and what to do next. Errors of the API have their own form."""

from flask import Flask, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import (
    HTTPException,
    InternalServerError,
    RequestEntityTooLarge,
    ServiceUnavailable,
    TooManyRequests,
)

from server import problems
from server.auth import login
from server.auth.bearer import is_api_request
from server.config import services
from server.forms import submit_form
from server.http import outages, rates
from server.pages.submission import submit
from server.presentation.formats import size

_WRONG_PASSWORDS = (
    "Too many passwords were tried for this account, or from your network. Use a browser in which you have logged in "
    "before, ask for a link by which you choose a new password, or try again later."
)
_DRAIN_BYTES = 64 * 2**20
_CHUNK_BYTES = 256 * 2**10
_UPLOAD = "submit.upload"
_MOST_SENT_BACK = 512 * 2**10  # characters of a form that an outage's page offers to send again

_PAGES = {
    400: ("Not understood", "The request is malformed, or its address is not one of this site's."),
    403: ("Not allowed", "Your account may not open this page or do this."),
    404: ("Not found", "There is nothing at this address. It may have moved, or it may not be public."),
    405: ("Not possible", "This address does not support this method."),
    409: ("Sent before", "The same form was sent before and has no answer yet. Look whether it took effect."),
    413: ("Too large", "The request is larger than this server accepts."),
    503: ("Not ready", "It is being made, or something that it needs cannot be reached. Try again in a few seconds."),
    429: ("Too many requests", "You have sent too many requests in a short time. Wait a moment and try again."),
}


def init_app(app: Flask) -> None:
    app.register_error_handler(CSRFError, _form_expired)
    app.register_error_handler(RequestEntityTooLarge, _too_large)
    app.register_error_handler(TooManyRequests, _too_many)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(500, _our_fault)


def _form_expired(_error: CSRFError) -> ResponseReturnValue:
    return _page(
        400,
        "This form has expired",
        "Nothing was changed. Go back, load the page again and send the form again. "
        "If it happens again, check that your browser accepts this site's cookies.",
    )


def _too_large(error: RequestEntityTooLarge) -> ResponseReturnValue:
    _drain()
    if request.endpoint != _UPLOAD:
        return _http_error(error)
    limit = services().bundle_limits.upload_bytes
    message = f"The file is larger than {size(limit)}, the most an upload may have. Nothing was stored."
    return submit.form_page(submit_form.Draft(), {"file": message}), 413


def _too_many(error: TooManyRequests) -> ResponseReturnValue:
    rates.tell_when(error)
    return _http_error(error)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if is_api_request():
        return problems.response(error)
    if error.response is not None:
        return error.get_response()
    title, text = _PAGES.get(code, (error.name, "The request could not be answered."))
    if code == TooManyRequests.code and request.endpoint == "accounts.log_in":
        text = _WRONG_PASSWORDS
    answer = make_response(_page(code, title, text))
    if (retry_after := getattr(error, "retry_after", None)) is not None:
        answer.headers["Retry-After"] = str(retry_after)
    return answer


def _our_fault(error: InternalServerError) -> ResponseReturnValue:
    if outages.is_outage(error.original_exception):
        return _outage()
    if is_api_request():
        return problems.response(InternalServerError())
    return _page(
        500,
        "Something broke here",
        "This is an error of the server, and it is in its log. Please try again in a moment.",
    )


def _outage() -> ResponseReturnValue:
    """Answer without the database: 503, and for a form its fields, to be sent again."""
    later = ServiceUnavailable(retry_after=outages.RETRY_AFTER_S)
    if is_api_request():
        return problems.response(later)
    login.act_as(None)  # who it is cannot be looked up
    reads = request.method in ("GET", "HEAD", "OPTIONS")
    fields = [] if reads else _typed()
    if reads:
        advice = "Load the page again in a moment."
    elif fields:
        advice = "Nothing was stored. What you typed is still here: send it again in a moment."
    else:
        advice = "Nothing was stored. Go back, and send the form again in a moment."
    page = render_template(
        "outage.html",
        code=503,
        title="Not available right now",
        text=f"The database or the disk of this site is not available at the moment. {advice}",
        fields=fields,
        has_file=bool(fields) and any(file.filename for file in request.files.values()),
        reads=reads,
    )
    return make_response(page, 503, {"Retry-After": str(outages.RETRY_AFTER_S)})


def _typed() -> list[tuple[str, str]]:
    """Return the form's fields; none if one is a password, if they are long, or if they could not be read."""
    try:
        fields = list(request.form.items(multi=True))
    except (OSError, HTTPException):
        return []
    is_secret = any("password" in name for name, _ in fields)
    return [] if is_secret or sum(len(value) for _, value in fields) > _MOST_SENT_BACK else fields


def _page(code: int, title: str, text: str) -> ResponseReturnValue:
    return render_template("error.html", code=code, title=title, text=text), code


def _drain() -> None:
    """Read a refused body to its end, within reason: a browser that still sends shows no answer."""
    stream = request.environ["wsgi.input"]
    left = min(request.content_length or 0, _DRAIN_BYTES)
    while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
