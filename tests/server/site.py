"""A site without workers for behaviour tests: the real application on a database with some people."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import TestResponse

from model_zoo.checks.report import AxisNumbers, CheckReport, Item, NetworkNumbers, Numbers, ok
from server.app import create_app
from server.config import EXTENSION, Services
from submissions.competitions.competitions import find_competition
from submissions.people.accounts import create_organizer
from submissions.people.teams import create_team, join_team, team_of
from submissions.settings import Settings
from submissions.storage.records import SessionRecord, SubmissionRecord, UserRecord
from submissions.storage.states import State
from submissions.zoos.registry import record_check
from tests.databases import ready
from tests.records import PASSWORD, Records
from tests.server import applications

GOOD_MEASURE = b"def complexity(model, dataset):\n    return 1.0\n"


class Browser:
    """One person's browser: keeps cookies, sends the CSRF token of the form it stands on."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **headers: str) -> TestResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.get(path, headers=named)

    def post(self, path: str, data: Mapping[str, object] | None = None, *, form: str | None = None) -> TestResponse:
        """Post to `path` with the CSRF token of a form on the page `form` (default: any)."""
        return self.client.post(path, data={"csrf_token": self.token(form), **(data or {})})

    def token(self, page: str | None = None) -> str:
        for path in filter(None, (page, "/", "/register")):
            found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text)
            if found:
                return found.group(1)
        raise AssertionError("no page has a form")

    def log_in(self, name: str) -> "Browser":
        answer = self.post("/login", {"name": name, "password": PASSWORD}, form="/login")
        assert answer.status_code == 302, answer.text
        return self


class Site(Records):
    """A running application with people: ann and bob take part, olga organizes.

    changes_app: the application is a new one, so that a test may add routes or change its configuration.
    """

    def __init__(self, folder: Path, *, changes_app: bool = False, **settings: object) -> None:
        values = {"home": folder / "home", "cache": folder / "cache", **settings}
        self.settings = Settings.model_validate(values)
        self._is_new = changes_app
        self.app = create_app(self.settings) if changes_app else applications.take(self.settings)
        services: Services = self.app.extensions[EXTENSION]
        if services.db.engine.dialect.name == "sqlite":  # one on PostgreSQL is there already
            ready(services.db)
        super().__init__(services.db, folder, services.zoos)
        self.olga = create_organizer(self.db, "olga", PASSWORD)

    def close(self) -> None:
        """End the site: its application may serve another one."""
        self.db.close()
        if not self._is_new:
            applications.give_back(self.app, self.settings)

    def browser(self, name: str | None = None) -> Browser:
        """A visitor's browser, or one where `name` is logged in."""
        return Browser(self.app) if name is None else Browser(self.app).log_in(name)

    def checked(self, name: str, *, items: Sequence[Item] = ()) -> int:
        """The id of a zoo with the report of a check: these items and one that is in order."""
        zoo_id = self.zoo(name)
        numbers = [
            NetworkNumbers.model_validate(
                {"id": network, "hyperparameters": about["hyperparameters"], **about["metrics"]}
            )
            for network, about in self.truth(name).items()
        ]
        report = CheckReport(
            zoo=name,
            title=name,
            manifest_sha256=None,
            items=[*items, ok("checksums", "All files are what zoo.json says.")],
            numbers=Numbers(networks=numbers, axes=[_axis(numbers, axis) for axis in numbers[0].hyperparameters]),
        )
        record_check(self.db, zoo_id, report, user_id=self.olga)
        return zoo_id

    def states(self) -> list[State]:
        with self.db.read() as session:
            return list(session.scalars(select(SubmissionRecord.state)))

    def session_of(self, name: str) -> int:
        """The id of a session of this person's, the newest."""
        with self.db.read() as session:
            query = select(SessionRecord.id).join(UserRecord, UserRecord.id == SessionRecord.user_id)
            return session.scalars(query.where(UserRecord.name == name).order_by(SessionRecord.id.desc())).first() or 0

    def team(self, name: str, *members: int, competition: str = "demo") -> str:
        """Put these people into a new team of a competition. Its invite key."""
        with self.db.read() as session:
            found = find_competition(session, competition)
        assert found is not None
        create_team(self.db, found.id, members[0], name)
        with self.db.read() as session:
            team = team_of(session, found.id, members[0])
        assert team is not None
        for member in members[1:]:
            join_team(self.db, team.invite_key, member)
        return team.invite_key

    def users(self) -> list[str]:
        with self.db.read() as session:
            return list(session.scalars(select(UserRecord.name)))


def _axis(networks: Sequence[NetworkNumbers], name: str) -> AxisNumbers:
    values = list(dict.fromkeys(network.hyperparameters[name] for network in networks))
    means = [fmean(network.gap for network in networks if network.hyperparameters[name] == value) for value in values]
    return AxisNumbers(name=name, values=values, mean_gaps=list(means), tau_b=0.1, share=0.2)
