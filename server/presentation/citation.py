"""How a leaderboard is cited in a paper. Called by its page and the API."""

import re
from datetime import datetime

from server.http.public_urls import full_address
from submissions.storage.records import PhaseRecord


def citation_of(phase: PhaseRecord, now: datetime) -> str:
    """A BibTeX entry, with the board's version that was read. The phase's competition is loaded."""
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
