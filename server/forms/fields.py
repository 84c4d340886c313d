"""Reading form fields: whatever a client sends becomes plain text or numbers of limited size."""

from flask import request

from server.auth.parameters import id_in

_MOST_CHOICES = 1000


def text_field(name: str, length: int) -> str:
    """The field on one line without control characters, spaces trimmed, cut at `length`."""
    text = "".join(character if character.isprintable() else " " for character in request.form.get(name, ""))
    return " ".join(text.split())[:length]


def paragraph_field(name: str, length: int) -> str:
    """The field as several lines, without any other control characters, cut at `length`."""
    text = request.form.get(name, "").replace("\r\n", "\n")
    return "".join(character for character in text if character.isprintable() or character in "\n\t")[:length].strip()


def id_field(name: str) -> int | None:
    """Return the chosen id; None if there is none, or the value is not an id."""
    return next(iter(ids_field(name)), None)


def ids_field(name: str) -> tuple[int, ...]:
    """Return the chosen ids, without values that are not ids."""
    chosen = map(id_in, request.form.getlist(name)[:_MOST_CHOICES])
    return tuple(one for one in chosen if one is not None)
