"""What a person's role allows: the one table of roles and permissions. Pure; called by every room that asks who may.

A new role is a member of `Role` and its row in `PERMISSIONS`; `gengap account` then makes accounts with it.
"""

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What an account is, as the database stores it."""

    PARTICIPANT = "participant"
    ORGANIZER = "organizer"


class Permission(StrEnum):
    """What somebody may do beyond what every account may. Their own submissions need none of these."""

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
