"""Error pages: a sentence on what happened and what to do next. Errors of the API have their own form."""

from flask import Flask, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge, TooManyRequests

from server import problems
from server.auth.bearer import is_api_request
from server.config import services
from server.forms import submit_form
from server.http import rates
from server.pages.submission import submit
from server.presentation.formats import size

_DRAIN_BYTES = 64 * 2**20
_CHUNK_BYTES = 256 * 2**10
_UPLOAD = "submit.upload"

_PAGES = {
    403: ("Not allowed", "Your account may not open this page or do this."),
    404: ("Not found", "There is nothing at this address. It may have moved, or it may not be public."),
    405: ("Not possible", "This address does not support this method."),
    409: ("Sent before", "The same form was sent before and has no answer yet. Look whether it took effect."),
    413: ("Too large", "The request is larger than this server accepts."),
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
    answer = make_response(_http_error(error))
    answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _http_error(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if is_api_request():
        return problems.response(error)
    if error.response is not None:
        return error.get_response()
    title, text = _PAGES.get(code, (error.name, "The request could not be answered."))
    return _page(code, title, text)


def _our_fault(_error: Exception) -> ResponseReturnValue:
    if is_api_request():
        return problems.response(InternalServerError())
    return _page(
        500,
        "Something broke here",
        "This is an error of the server, and it is in its log. Please try again in a moment.",
    )


def _page(code: int, title: str, text: str) -> ResponseReturnValue:
    return render_template("error.html", code=code, title=title, text=text), code


def _drain() -> None:
    """Read a refused body to its end, within reason: a browser that still sends shows no answer."""
    stream = request.environ["wsgi.input"]
    left = min(request.content_length or 0, _DRAIN_BYTES)
    while left > 0 and (chunk := stream.read(min(left, _CHUNK_BYTES))):
        left -= len(chunk)
