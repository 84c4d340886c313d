"""A site where everything that a URL can name is there, and a browser for each kind of person to walk its routes."""

from dataclasses import dataclass
from typing import Any

from werkzeug.routing import Rule

from server.auth.parameters import kinds_in
from submissions.people.tokens import create_token
from submissions.storage.records import JobKind
from submissions.zoos.jobs import enqueue
from submissions.zoos.uploads import begin_upload
from tests.server.site import Browser, Site

PEOPLE = ("visitor", "participant", "other participant", "organizer")
LOGIN = "login"
MOVED = "elsewhere"  # a redirect that is not to the log-in page: the request was carried out


@dataclass(frozen=True)
class Walk:
    """A site with one scored submission of ann's, and a browser for each kind of person."""

    site: Site
    browsers: dict[str, Browser]
    names: dict[str, Any]

    def answers(self, method: str, endpoint: str) -> tuple[int | str, ...]:
        return tuple(self._answer(self.browsers[person], method, endpoint) for person in PEOPLE)

    def _answer(self, browser: Browser, method: str, endpoint: str) -> int | str:
        path = self.path(endpoint)
        response = browser.get(path) if method == "GET" else browser.post(path)
        if response.status_code != 302:
            return response.status_code
        return LOGIN if response.location.startswith("/login?") else MOVED

    def kinds(self, endpoint: str) -> set[str]:
        """What the parameters of a route name."""
        return set(kinds_in(self._rule(endpoint).rule).values())

    def _rule(self, endpoint: str) -> Rule:
        return next(rule for rule in self.site.app.url_map.iter_rules() if rule.endpoint == endpoint)

    def path(self, endpoint: str) -> str:
        rule = self._rule(endpoint)
        with self.site.app.test_request_context():
            names = {name: self.names[name] for name in rule.arguments}
            return str(self.site.app.url_for(endpoint, **names))


def make_walk(site: Site, *, hidden_phase: bool = False, hidden_submission: bool = False) -> Walk:
    """On a site where nothing has happened yet. hidden_phase, hidden_submission: the one that the URLs name."""
    phase = site.phase(hidden=hidden_phase)
    submission = site.submission(phase, site.ann, cmi=(0.1, 0.2), is_hidden=hidden_submission)
    people = dict(zip(PEOPLE, (None, "ann", "bob", "olga"), strict=True))
    browsers = {person: site.browser(name) for person, name in people.items()}
    names = {
        "competition_slug": "demo",
        "phase_slug": "main",
        "submission_id": submission,
        "zoo_name": "digits-mlp",
        "measure_name": "path-norm",
        "name": "app.css",
        "zoo_id": site.checked("digits-mlp"),
        "job_id": enqueue(site.db, JobKind.FOLDER, {"address": "/zoos/digits"}, site.olga),
        "upload_id": begin_upload(site.db, site.settings, "digits.zip", 10, site.olga),
        "phase_id": phase,
        "picture": "gaps",
        "drawing": "times",
        "competition_id": 1,
        "announcement_id": 1,
        "help_name": "participant",
        "file_name": "leaderboard.png",
        "session_id": site.session_of("ann"),
        "token": "no-link-of-ours",
        "notice_id": 1,
        "invite_key": site.team("gaps", site.ann),
        "token_id": create_token(site.db, site.ann, "laptop", ["read"])[0].id,
    }
    return Walk(site, browsers, names)
