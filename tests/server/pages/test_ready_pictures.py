"""Pictures that a worker has drawn: each reader's page has those of what they are told now, and of nothing else."""

import re
import sys
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from server.charts.picture_maker import PictureMaker
from submissions.storage.records import (
    EvaluationRecord,
    PhaseRecord,
    PictureRecord,
    ValueRecord,
    utc_now,
)
from tests.records import START
from tests.results import noticeable_zoo, score, the_gap
from tests.server.site import Site

PUBLIC, SECRET = "noticeable", "hidden-noticeable"
OF_PUBLIC, OF_SECRET = 5, 4  # the values of a secret zoo are nobody's
PICTURE = re.compile(r'<svg class="drawn wide".*?</svg>', re.DOTALL)


def _draw(site: Site, *command: str) -> int:
    return PictureMaker(site.db, site.zoos, command).step() if command else PictureMaker(site.db, site.zoos).step()


def _scored(site: Site, **phase: Any) -> int:
    zoos = noticeable_zoo(site, PUBLIC), noticeable_zoo(site, SECRET, truth_public=False)
    submission = site.submission(site.phase(zoos=zoos, **phase), site.ann, cmi=(0.1, 0.2))
    score(site, submission)
    return submission


def _pictures(site: Site, submission: int, name: str | None) -> list[str]:
    return PICTURE.findall(site.browser(name).get(f"/submissions/{submission}").text)


def _change_phase(site: Site, **values: object) -> None:
    with site.db.write() as session:
        session.execute(update(PhaseRecord).values(**values))


def test_readers_get_the_pictures_of_what_they_are_told_as_that_changes(site: Site) -> None:
    submission = _scored(site)
    assert _draw(site) == 2
    everybody: tuple[str | None, ...] = (None, "ann", "bob")
    for name in everybody:  # in steps: nothing but scores of the secret zoo
        found = _pictures(site, submission, name)
        assert len(found) == OF_PUBLIC
    whole = _pictures(site, submission, "olga")
    assert len(whole) == OF_PUBLIC + OF_SECRET
    assert "learning rate" in whole[OF_PUBLIC + 1]  # an organizer knows the axes

    _change_phase(site, is_revealed=True)
    for name in everybody:
        found = _pictures(site, submission, name)
        assert len(found) == OF_PUBLIC + OF_SECRET
        assert "axis B" in found[OF_PUBLIC + 1]
        assert not [one for one in found[OF_PUBLIC:] if "learning" in one or "seed" in one]

    _change_phase(site, freezes_at=START - timedelta(days=1))
    assert [len(_pictures(site, submission, name)) for name in (None, "bob", "ann", "olga")] == [0, 0, 9, 9]

    _change_phase(site, freezes_at=None, uses_ladder=True)
    assert [len(_pictures(site, submission, name)) for name in (None, "bob", "ann", "olga")] == [0, 0, 0, 9]

    _change_phase(site, uses_ladder=False, closes_at=utc_now() + timedelta(days=9), shows_scores="after_close")
    assert [len(_pictures(site, submission, name)) for name in (None, "bob", "ann", "olga")] == [0, 0, 0, 9]


def test_a_result_that_has_changed_never_has_the_pictures_of_before(site: Site) -> None:
    submission = _scored(site, is_revealed=True)
    _draw(site)
    before = _pictures(site, submission, None)
    site.next_attempt(submission, cmi=(0.7, 0.8))
    score(site, submission, lambda network, place: -the_gap(network, place))
    stale = _pictures(site, submission, None)
    assert set(stale) <= {one for one in before if "Histogram of seconds" in one}  # the times are the same
    assert _draw(site) == 2
    after = _pictures(site, submission, None)
    assert len(after) == len(before)
    assert not {one for one in after if "Histogram of seconds" not in one} & set(before)

    with site.db.write() as session:  # nobody changes a value; if anybody did, the old picture would not be shown
        newest = select(func.max(EvaluationRecord.id)).scalar_subquery()
        public = select(EvaluationRecord.id).where(EvaluationRecord.id == newest - 1).scalar_subquery()
        session.execute(update(ValueRecord).where(ValueRecord.evaluation_id == public).values(value=0.25))
    assert len(_pictures(site, submission, None)) == len(after) - 1


def test_pictures_are_drawn_once(site: Site) -> None:
    _scored(site)
    assert _draw(site) == 2
    assert _draw(site, sys.executable, "-c", "raise SystemExit(1)") == 0  # nothing is asked of it
    with site.db.read() as session:
        drawn = session.scalars(select(PictureRecord.digest)).all()
    assert len(drawn) == OF_PUBLIC + 2 * OF_SECRET - 2  # axes have letters or names in two of the four


@pytest.mark.parametrize("program", ["raise SystemExit(1)", "print('[]')", "print('no JSON')"])
def test_a_converter_that_fails_leaves_the_page_as_it_was(site: Site, program: str) -> None:
    submission = _scored(site)
    assert _draw(site, sys.executable, "-c", program) == 0
    page = site.browser("ann").get(f"/submissions/{submission}")
    assert page.status_code == 200
    assert not PICTURE.search(page.text)
    assert page.text.count("The picture needs JavaScript") == OF_PUBLIC
    assert _draw(site) == 2  # by another worker


def test_a_picture_that_cannot_be_drawn_is_not_tried_again_and_again(site: Site) -> None:
    submission = _scored(site)
    nothing = "import json, sys; print(json.dumps([None] * len(json.load(sys.stdin))))"
    assert _draw(site, sys.executable, "-c", nothing) == 2
    assert _draw(site) == 0
    assert not _pictures(site, submission, "olga")
