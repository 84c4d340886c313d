"""Reading form fields: whatever a browser or a script sends becomes plain, bounded text."""

from flask import request


def text_field(name: str, length: int) -> str:
    """The field on one line without control characters, spaces trimmed, cut at `length`."""
    text = "".join(character if character.isprintable() else " " for character in request.form.get(name, ""))
    return " ".join(text.split())[:length]
