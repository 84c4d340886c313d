"""The texts of a submission: its name, description, link and alias, and the checks of them.

The submit page, the API and the command line pass texts; `details_of` checks them and reports one sentence per error.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from submissions.storage.field_error import FieldError
from submissions.storage.name_keys import plain_name, skeleton

NAME_LENGTH = 80
DESCRIPTION_LENGTH = 2000
LINK_LENGTH = 300
ALIAS_LENGTH = 40


@dataclass(frozen=True)
class Details:
    """Checked texts. alias: public pages show it instead of the author's or team's name."""

    name: str
    description: str = ""
    link: str = ""
    alias: str | None = None


class DetailsError(FieldError):
    """Some texts of a submission are not valid; fields: name, description, link, alias."""


def details_of(name: str, description: str = "", link: str = "", alias: str = "") -> Details:
    """Check the texts of a submission: name and alias must be single lines, the link a web address.

    Raises
    ------
    DetailsError
        With a sentence for every faulty field.
    """
    details = Details(name.strip(), description.strip(), link.strip(), plain_name(alias) or None)
    messages = {
        "name": _line_fault(details.name, NAME_LENGTH, "Give the submission a name"),
        "description": _length_fault(details.description),
        "link": _link_fault(details.link),
        "alias": details.alias and _alias_fault(details.alias),
    }
    if faults := {field: message for field, message in messages.items() if message}:
        raise DetailsError(faults)
    return details


def _line_fault(text: str, longest: int, begin: str) -> str | None:
    if not 1 <= len(text) <= longest:
        return f"{begin} of 1 to {longest} characters."
    return None if text.isprintable() else f"{begin} on one line, without control characters."


def _alias_fault(alias: str) -> str | None:
    is_visible = bool(skeleton(alias))
    return _line_fault(alias if is_visible else "", ALIAS_LENGTH, "Give an alias")


def _length_fault(text: str) -> str | None:
    if len(text) <= DESCRIPTION_LENGTH:
        return None
    return f"The description has {len(text)} characters; it may have {DESCRIPTION_LENGTH}."


def _link_fault(link: str) -> str | None:
    """Accept only plain web addresses: no scripts, no credentials, nothing that misleads a reader."""
    if not link:
        return None
    if len(link) > LINK_LENGTH:
        return f"The link has {len(link)} characters; it may have {LINK_LENGTH}."
    try:
        parts = urlsplit(link)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_address = False
    is_plain = link.isprintable() and " " not in link and "\\" not in link
    if not is_address or not is_plain or "@" in parts.netloc:
        return "Give a full web address that begins with https:// or http://, or leave the link empty."
    return None
