"""The kinds of URL parameters, as converters: `<submission:submission_id>`. Called by access, the API and forms.

A kind says how the object is protected, whatever the name of the parameter. `access.check_routes` refuses a route with
a parameter of another kind, and a route that allows more people than the kind does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType

from werkzeug.routing import BaseConverter, PathConverter, UnicodeConverter

from submissions.storage.roles import Permission, Permissions

LARGEST_ID = 10**9 - 1  # every database accepts ids up to it
_PARAMETER = re.compile(r"<([a-z_]+):([a-z_0-9]+)>")


class SecretConverter(BaseConverter):
    """Secrets in URLs, in the form of `secrets.token_urlsafe`."""

    regex = r"[A-Za-z0-9_-]{20,64}"


class SlugConverter(BaseConverter):
    """Names in URLs, restricted to characters that every database accepts."""

    regex = r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}"


class IdConverter(BaseConverter):
    """Record ids in URLs, from 1 to LARGEST_ID."""

    regex = r"[1-9][0-9]{0,8}"

    def to_python(self, value: str) -> int:
        return int(value)


class Guard(StrEnum):
    """How an object is protected, if no permission is needed for it."""

    LOADED = "loaded"  # access loads it before the view: 404 unless the reader may see it
    OWN = "own"  # it belongs to a person: the domain function searches only those of the reader
    OPEN = "open"  # not an object, or its name is a secret that gives access


@dataclass(frozen=True)
class Kind:
    """One kind of parameter.

    guard: if it is a set of permissions, the route must require one of them. text: for the API's document.
    """

    converter: type[BaseConverter]
    guard: Guard | Permissions
    text: str


_PHASES, _ZOOS = frozenset({Permission.MANAGE_PHASES}), frozenset({Permission.MANAGE_ZOOS})

KINDS: Mapping[str, Kind] = {
    "competition": Kind(SlugConverter, Guard.LOADED, "The competition's short name"),
    "phase": Kind(SlugConverter, Guard.LOADED, "The phase's short name"),  # beside its competition's
    "submission": Kind(IdConverter, Guard.LOADED, "The submission's number"),
    "competition_number": Kind(IdConverter, _PHASES, "The competition's number"),
    "phase_number": Kind(IdConverter, _PHASES, "The phase's number"),
    "announcement": Kind(IdConverter, _PHASES, "The announcement's number"),
    "zoo": Kind(IdConverter, _ZOOS | _PHASES, "The number of this version of the zoo"),
    "zoo_job": Kind(IdConverter, _ZOOS, "The job's number"),
    "upload": Kind(SecretConverter, Guard.OWN, "The upload's secret name"),
    "api_token": Kind(IdConverter, Guard.OWN, "The token's number"),
    "session": Kind(IdConverter, Guard.OWN, "The session's number"),
    "notification": Kind(IdConverter, Guard.OWN, "The notification's number"),
    "invitation": Kind(SecretConverter, Guard.OPEN, "The team's invitation"),
    "mailed_link": Kind(UnicodeConverter, Guard.OPEN, "The signed text of a link in a mail"),
    "zoo_name": Kind(
        SlugConverter, Guard.OPEN, "The zoo's short name"
    ),  # in a result that the reader sees, or of a public zoo
    "measure": Kind(SlugConverter, Guard.OPEN, "The short name of a measure that ships with Gengap"),
    "picture": Kind(SlugConverter, Guard.OPEN, "The picture's name"),
    "file": Kind(PathConverter, Guard.OPEN, "The path of a file of the site itself"),
}


@cache
def kinds_in(rule: str) -> Mapping[str, str]:
    """Return the kind of each parameter of a URL rule, by name, without parameters of unknown kinds."""
    return MappingProxyType({name: kind for kind, name in _PARAMETER.findall(rule) if kind in KINDS})


def id_in(text: str) -> int | None:
    """Return the id that a text contains, None if it is not an id."""
    return int(text) if re.fullmatch(IdConverter.regex, text) else None
