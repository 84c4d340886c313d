"""The table of roles and their permissions. Pure; called wherever a permission is needed.

A new role is a member of `Role` and its row in `PERMISSIONS`; `gengap account` then creates accounts with it.
"""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """The role of an account."""

    PARTICIPANT = "participant"
    ORGANIZER = "organizer"


class Permission(StrEnum):
    """What a role allows beyond what every account may do. Nobody needs these for their own submissions."""

    SEE_HIDDEN = "see_hidden"  # hidden phases and hidden submissions
    SEE_SUBMISSIONS = "see_submissions"  # every submission as its author does: its code and failure; and all its scores
    MODERATE = "moderate"  # cancel, choose, hide, disqualify and re-run any submission
    MANAGE_PHASES = "manage_phases"  # competitions, phases with their zoos, announcements
    MANAGE_ZOOS = "manage_zoos"  # add and check zoos, and so see secret truths
    MONITOR = "monitor"  # see the workers, and the record of who did what
    SUBMIT_UNVERIFIED = "submit_unverified"  # without a verified email address


Permissions = frozenset[Permission]
NOTHING: Permissions = frozenset()

PERMISSIONS: Mapping[Role, Permissions] = {
    Role.PARTICIPANT: NOTHING,
    Role.ORGANIZER: frozenset(Permission),
}
