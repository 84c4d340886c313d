"""The BibTeX citation of a leaderboard. Called by its page and the API."""

import re
from datetime import datetime

from server.http.public_urls import full_address
from submissions.storage.site_records import PhaseRecord


def citation_of(phase: PhaseRecord, now: datetime) -> str:
    """Return a BibTeX entry with the version of the board. The phase's competition must be loaded."""
    competition = phase.competition
    address = full_address("leaderboard.show", competition_slug=competition.slug, phase_slug=phase.slug)
    key = re.sub(r"[^a-z0-9]+", "-", f"{competition.slug}-{phase.slug}".lower())
    title = re.sub(r"[{}\\]", "", f"{competition.title}: leaderboard of {phase.title}")
    return (
        f"@misc{{{key}-leaderboard,\n"
        f"  title = {{{title}}},\n"
        f"  year = {{{now.year}}},\n"
        f"  howpublished = {{\\url{{{address}}}}},\n"
        f"  note = {{Version {phase.board_version} of the leaderboard, read on {now:%d %B %Y}; made with Gengap}}\n"
        "}\n"
    )
