"""What belongs to one person is out of reach for everybody else, by every route that names such a thing."""

from typing import Any

from sqlalchemy import select

from server.auth.parameters import KINDS, Guard, kinds_in
from submissions.people.accounts import create_organizer
from submissions.people.tokens import Scope, create_token
from submissions.storage.records import ApiTokenRecord, NotificationRecord, Record, SessionRecord, ZooUploadRecord
from submissions.zoos.uploads import begin_upload
from tests.records import PASSWORD
from tests.server.site import Site

TABLES: tuple[type[Record], ...] = (ApiTokenRecord, NotificationRecord, SessionRecord, ZooUploadRecord)
OWN = {name for name, kind in KINDS.items() if kind.guard is Guard.OWN}


def test_nobody_else_reads_or_changes_what_belongs_to_a_person(site: Site) -> None:
    user_id = create_organizer(site.db, "otto", PASSWORD)  # who may do whatever olga may
    otto, token = site.browser("otto"), create_token(site.db, user_id, "laptop", list(Scope))[1]
    headers = {"X-CSRFToken": otto.token(), "Authorization": f"Bearer {token}"}
    site.browser("olga")
    notification = NotificationRecord(user_id=site.olga, text="Scored.")
    with site.db.write() as session:
        session.add(notification)
    named: dict[str, Any] = {
        "api_token": create_token(site.db, site.olga, "laptop", ["read"])[0].id,
        "session": site.session_of("olga"),
        "notification": notification.id,
        "upload": begin_upload(site.db, site.settings, "digits.zip", 10, site.olga),
    }
    before, answers = _stored(site), {}
    walked: set[str] = set()
    for rule in site.app.url_map.iter_rules():
        kinds = kinds_in(rule.rule)
        walked |= OWN & set(kinds.values())
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"} if OWN & set(kinds.values()) else ():
            with site.app.test_request_context():
                path = site.app.url_for(rule.endpoint, **{name: named[kind] for name, kind in kinds.items()})
            where = f"{path}?offset=0" if rule.endpoint.endswith(".append_piece") else path
            piece: dict[str, Any] = {"data": b"PK", "content_type": "application/octet-stream"}
            answers[rule.endpoint] = otto.client.open(where, method=method, headers=headers, **piece).status_code
    assert walked == OWN == named.keys()
    silent = {"notices.read": 302, "api_notifications.read_one": 204}  # marking what is not there as read is no fault
    assert {endpoint: status for endpoint, status in answers.items() if status not in (404, 422)} == silent, answers
    assert _stored(site) == before


def _stored(site: Site) -> list[object]:
    """The rows of olga's that the routes could change."""
    with site.db.read() as session:
        return [
            [getattr(record, column.key) for column in table.__table__.columns]
            for table in TABLES
            for record in session.scalars(select(table).where(table.__table__.c.user_id == site.olga))
        ]
