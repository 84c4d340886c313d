"""Notifications in the page: the count in the header, the list, marking them as read."""

import re

from submissions.storage.records import NotificationRecord
from tests.server.site import Browser, Site

PAGE = "/account/notifications"
BOARD = "/competitions/demo/main/leaderboard"


def _tell(site: Site, user_id: int, *texts: str, submission_id: int | None = None) -> None:
    with site.db.write() as session:
        for text in texts:
            session.add(NotificationRecord(user_id=user_id, text=text, submission_id=submission_id))
            session.flush()


def _count(browser: Browser, path: str = "/") -> str | None:
    found = re.search(r'class="unread-count".*?<span[^>]*>(\d+\+?)</span>', browser.get(path).text)
    return found[1] if found else None


def test_the_header_counts_what_is_unread_for_whom_it_concerns(site: Site) -> None:
    site.phase()
    visitor, ann, bob = site.browser(), site.browser("ann"), site.browser("bob")
    _tell(site, site.ann, "One.", "Two.")
    assert (_count(visitor), _count(ann), _count(bob)) == (None, "2", None)
    _tell(site, site.ann, *["More."] * 100)
    assert _count(ann) == "99+"


def test_a_kept_page_is_made_anew_when_the_count_changes(site: Site) -> None:
    site.phase()
    ann = site.browser("ann")
    first = ann.get(BOARD)
    assert ann.get(BOARD, If_None_Match=first.headers["ETag"]).status_code == 304
    _tell(site, site.ann, "One.")
    assert ann.get(BOARD, If_None_Match=first.headers["ETag"]).status_code == 200
    assert _count(ann, BOARD) == "1"


def test_the_list_leads_to_submissions_and_marks_as_read(site: Site) -> None:
    submission = site.submission(site.phase(), site.ann, cmi=(0.1, 0.2))
    ann, bob = site.browser("ann"), site.browser("bob")
    assert "Nothing yet" in ann.get(PAGE).text
    _tell(site, site.ann, "“<b>” was scored.", "Another.", submission_id=submission)
    _tell(site, site.bob, "Bobs own.")
    page = ann.get(PAGE).text
    assert "“&lt;b&gt;” was scored." in page
    assert f'href="/submissions/{submission}"' in page
    assert "Bobs own." not in page
    one = re.findall(rf'action="({PAGE}/\d+/read)"', page)[0]
    bob.post(one)
    assert _count(ann) == "2"
    assert ann.post(one).location == PAGE
    assert _count(ann) == "1"
    assert ann.post(f"{PAGE}/read", form=PAGE).location == PAGE
    assert _count(ann) is None
    assert "Mark all as read" not in ann.get(PAGE).text
    assert "Another." in ann.get(PAGE).text
    assert _count(bob) == "1"
