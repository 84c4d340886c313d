"""An account through the API: made, shown, changed, exported, deleted; its sessions; mailed links."""

import io
import re
import zipfile
from collections.abc import Callable

from sqlalchemy import select

from submissions.evaluation.end_notices import tell_end
from submissions.people.tokens import Scope
from submissions.storage.records import MailRecord
from tests.records import PASSWORD
from tests.server.api.clients import Script, fields, script
from tests.server.site import Site

NEW = "another long password"


def _mailed_token(site: Site, kind: str) -> str:
    with site.db.read() as session:
        texts = session.scalars(select(MailRecord.text).order_by(MailRecord.id.desc())).all()
    found = next(match for text in texts if (match := re.search(rf"/{kind}/(\S+)", text)))
    return found[1]


def test_an_account_is_made_verified_and_shown(site: Site) -> None:
    visitor = script(site)
    wanted = {"name": "carol", "email": "carol@example.org", "password": PASSWORD}
    made = visitor.post("/accounts", wanted)
    assert made.status_code == 201
    assert made.get_json()["email_verified_at"] is None
    assert fields(visitor.post("/accounts", wanted)) == {"name"}
    assert visitor.post("/verifications", {"token": _mailed_token(site, "verify")}).status_code == 204
    assert fields(visitor.post("/verifications", {"token": "nonsense"})) == {"token"}
    log_in = {"user": "carol", "password": PASSWORD, "name": "a", "scopes": ["read"]}
    carol = Script(site, visitor.post("/log-in", log_in).get_json()["text"])
    told = carol.get("/account").get_json()
    assert (told["name"], told["role"], told["email"]) == ("carol", "participant", "carol@example.org")
    assert told["email_verified_at"] is not None


def test_a_server_that_makes_no_accounts_says_so(make_site: Callable[..., Site]) -> None:
    closed = make_site(registration_open=False)
    answer = script(closed).post("/accounts", {"name": "eve", "email": "eve@example.org", "password": PASSWORD})
    assert (answer.status_code, fields(answer)) == (403, set())
    assert "eve" not in closed.users()


def test_a_name_and_the_wish_for_mail_change(site: Site) -> None:
    ann = script(site, "ann")
    assert ann.patch("/account", {"name": "ann.l", "wants_mail": False}).get_json()["name"] == "ann.l"
    assert ann.get("/account").get_json()["wants_mail"] is False
    assert fields(ann.patch("/account", {"name": "bob"})) == {"name"}
    assert ann.patch("/account", {}).status_code == 200


def test_a_password_changes_with_the_old_one(site: Site) -> None:
    ann = script(site, "ann")
    assert fields(ann.put("/account/password", {"current": "wrong", "password": "short"})) == {"current", "password"}
    assert ann.put("/account/password", {"current": PASSWORD, "password": NEW}).status_code == 204
    log_in = {"user": "ann", "name": "a", "scopes": ["read"]}
    assert script(site).post("/log-in", log_in | {"password": PASSWORD}).status_code == 401
    assert script(site).post("/log-in", log_in | {"password": NEW}).status_code == 201


def test_a_new_address_counts_once_its_link_is_followed(site: Site) -> None:
    ann = script(site, "ann")
    assert fields(ann.put("/account/email", {"current": "wrong", "email": "none"})) == {"current", "email"}
    assert ann.put("/account/email", {"current": PASSWORD, "email": "new@example.org"}).status_code == 204
    assert ann.get("/account").get_json()["email"] == "ann@example.org"
    ann.post("/verifications", {"token": _mailed_token(site, "verify")})
    assert ann.get("/account").get_json()["email"] == "new@example.org"


def test_a_forgotten_password_is_replaced_by_a_mailed_link_that_works_once(site: Site) -> None:
    visitor = script(site)
    assert visitor.post("/password-resets", {"email": "nobody@example.org"}).status_code == 204
    assert visitor.post("/password-resets", {"email": "ann@example.org"}).status_code == 204
    token = _mailed_token(site, "reset")
    assert fields(visitor.post("/password-resets/use", {"token": token, "password": "short"})) == {"password"}
    assert visitor.post("/password-resets/use", {"token": token, "password": NEW}).status_code == 204
    assert fields(visitor.post("/password-resets/use", {"token": token, "password": NEW})) == {"token"}
    log_in = {"user": "ann", "password": NEW, "name": "a", "scopes": ["read"]}
    assert visitor.post("/log-in", log_in).status_code == 201


def test_the_export_is_a_zip_of_ones_own(site: Site) -> None:
    site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    answer = script(site, "ann", {Scope.READ}).get("/account/export")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert {"account.json", "submissions.json"} <= set(archive.namelist())
        assert b"ann@example.org" in archive.read("account.json")


def test_an_account_is_deleted_with_its_password_and_its_tokens_with_it(site: Site) -> None:
    ann = script(site, "ann")
    assert fields(ann.post("/account/deletion", {"password": "wrong"})) == {"password"}
    assert ann.get("/account").status_code == 200
    assert ann.post("/account/deletion", {"password": PASSWORD}).status_code == 204
    assert ann.get("/account").status_code == 401
    assert "ann" not in site.users()


def test_browsers_are_listed_and_logged_out_by_their_own_account(site: Site) -> None:
    browser, ann, bob = site.browser("ann"), script(site, "ann"), script(site, "bob")
    (listed,) = ann.get("/sessions").get_json()["items"]
    assert bob.delete(f"/sessions/{listed['id']}").status_code == 404
    assert ann.delete(f"/sessions/{listed['id']}").status_code == 204
    assert browser.get("/my/submissions").status_code == 302
    assert ann.get("/sessions").get_json()["items"] == []
    site.browser("ann")
    others = site.browser("bob")
    assert ann.delete("/sessions").status_code == 204
    assert ann.get("/sessions").get_json()["items"] == []
    assert others.get("/my/submissions").status_code == 200


def test_notifications_are_listed_and_marked_by_their_own_account(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    with site.db.write() as session:
        tell_end(session, submission)
        tell_end(session, submission)
    ann, bob = script(site, "ann"), script(site, "bob")
    listed = ann.get("/notifications").get_json()["items"]
    assert [(one["submission"], one["is_read"]) for one in listed] == [(submission, False)] * 2
    assert bob.get("/notifications").get_json()["items"] == []
    assert bob.post(f"/notifications/{listed[0]['id']}/read").status_code == 204

    def are_read() -> list[bool]:
        return [one["is_read"] for one in ann.get("/notifications").get_json()["items"]]

    assert are_read() == [False, False]
    ann.post(f"/notifications/{listed[0]['id']}/read")
    assert are_read() == [True, False]
    ann.post("/notifications/read")
    assert are_read() == [True, True]
