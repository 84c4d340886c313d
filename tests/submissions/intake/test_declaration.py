"""The extended track: what a measure says of itself, and zoos that cannot serve it."""

from pathlib import Path

import pytest

from model_zoo import zoo
from model_zoo.store import ZooStore
from submissions.competitions.competitions import CompetitionError
from submissions.competitions.phase_zoos import attach_zoo, replace_zoo
from submissions.evaluation.smoke_run import smoke_zoo
from submissions.intake.bundle import BundleError
from submissions.intake.bundle_store import BundleStore
from submissions.intake.submit import SubmissionRefused
from submissions.storage.database import Database
from submissions.storage.records import PhaseRecord, Purpose, ZooRecord
from submissions.zoos.registry import register_zoo
from submissions.zoos.tracks import OFFERS, in_words, refusal
from tests.factories import Competition, bundle_of, make_competition, make_tiny_zoo, zip_of

EXTENDED = 'TRACK = "extended"\n'
FUNCTION = "def complexity(model, dataset, context): return 1\n"
SIBLINGS = f'{EXTENDED}NEEDS = ("siblings",)\n{FUNCTION}'


def test_a_measure_may_need_what_zoos_may_offer() -> None:
    assert OFFERS == zoo.OFFERS


def declared(source: str) -> tuple[str, tuple[str, ...]]:
    bundle = bundle_of(source)
    return bundle.track, bundle.needs


def fault(source: str) -> str:
    with pytest.raises(BundleError) as raised:
        bundle_of(source, "m.py")
    return str(raised.value)


def test_a_measure_that_says_nothing_is_of_the_standard_track_and_needs_nothing() -> None:
    assert declared("def complexity(model, dataset): return 1") == ("standard", ())
    assert declared('TRACK = "standard"\ndef complexity(model, dataset): return 1') == ("standard", ())


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        ("", ()),
        ("NEEDS = ()", ()),
        ('NEEDS = ("siblings",)', ("siblings",)),
        ('NEEDS = ["trajectory", "siblings", "trajectory"]', ("siblings", "trajectory")),
        ('NEEDS: tuple[str, ...] = ("unlabelled", "siblings")', ("siblings", "unlabelled")),
    ],
)
def test_what_a_measure_needs_is_read_from_its_source(needs: str, found: tuple[str, ...]) -> None:
    assert declared(f"{EXTENDED}{needs}\n{FUNCTION}") == ("extended", found)


def test_the_source_is_not_run_and_other_files_do_not_count() -> None:
    bundle = bundle_of(
        zip_of({"complexity.py": f"{SIBLINGS}raise SystemExit".encode(), "helper.py": b"TRACK = 3\n"}), "m.zip"
    )
    assert (bundle.track, bundle.needs) == ("extended", ("siblings",))


def test_names_inside_functions_and_classes_are_their_own() -> None:
    source = "def complexity(model, dataset):\n    TRACK, NEEDS = 3, 4\nclass Other:\n    TRACK = 5\n"
    assert declared(source) == ("standard", ())


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('TRACK = "long"', "m.py, line 1: TRACK must be 'standard' or 'extended', not 'long'."),
        ("\nTRACK = 3", "m.py, line 2: TRACK must be 'standard' or 'extended', not 3."),
        ('TRACK = "ext" + "ended"', "line 1: TRACK must be assigned once, at the top level, and without any comp"),
        ('TRACK = "extended"\nTRACK = "standard"', "line 2: TRACK must be assigned once"),
        ('if True:\n    TRACK = "extended"', "line 2: TRACK must be assigned once, at the top level"),
        ('TRACK, other = "extended", 1', "line 1: TRACK must be assigned once"),
        ("from settings import TRACK", "line 1: TRACK must be assigned once"),
        ('TRACK = "extended"\nNEEDS = "siblings"', 'line 2: NEEDS must be a tuple of texts, for example ("sib'),
        ('TRACK = "extended"\nNEEDS = ("siblings", 3)', "line 2: NEEDS must be a tuple of texts"),
        ('TRACK = "extended"\nNEEDS = ("labels",)', "NEEDS names 'labels'; a zoo may offer siblings, unlabelled, traj"),
        ('NEEDS = ("siblings",)', 'line 1: NEEDS is for the extended track; write TRACK = "extended" as well.'),
        ('TRACK = "extended"\nNEEDS = ({[]: 1},)', "line 2: NEEDS must be assigned once"),
    ],
)
def test_what_cannot_be_told_for_certain_is_refused(source: str, text: str) -> None:
    for parameters in ("model, dataset", "model, dataset, context"):
        assert text in fault(f"{source}\ndef complexity({parameters}): return 1\n")


def test_the_arguments_must_agree_with_the_track() -> None:
    two, three = "def complexity(model, dataset): return 1", FUNCTION
    assert fault(EXTENDED + two) == (
        "m.py, line 2: complexity must be callable as complexity(model, dataset, context), with three arguments, since "
        'TRACK is "extended".'
    )
    assert fault(three) == (
        "m.py, line 1: complexity must be callable as complexity(model, dataset), with two arguments. "
        'A measure with a context says TRACK = "extended".'
    )
    assert "defines no function complexity(model, dataset, context)" in fault(EXTENDED)
    assert declared(f"{EXTENDED}def complexity(*everything): return 1") == ("extended", ())
    assert declared("def complexity(model, dataset, context=None): return 1") == ("standard", ())


def test_a_refusal_names_what_is_missing_and_where() -> None:
    zoos = [("All", ("siblings", "unlabelled")), ("Bare", ()), ("Some", ("unlabelled",))]
    assert refusal((), zoos) is None
    assert refusal(("siblings",), zoos[:1]) is None
    assert refusal(("siblings", "unlabelled"), zoos) == (
        "This measure needs sibling networks and unlabelled test inputs, which the zoo Bare does not have; it offers "
        "nothing to the extended track."
    )
    assert refusal(("siblings", "trajectory"), zoos[2:]) == (
        "This measure needs sibling networks and the trajectory of the training, which the zoo Some does not have; it "
        "offers unlabelled test inputs."
    )
    assert in_words(("siblings", "unlabelled", "trajectory")).count(" and ") == 1


@pytest.fixture
def extended(any_db: Database, store: BundleStore, zoos: ZooStore, tmp_path: Path) -> Competition:
    """A phase over a zoo that offers siblings and unlabelled inputs."""
    offering = make_tiny_zoo(tmp_path / "offering", "offering", offers=("siblings", "unlabelled"))
    return make_competition(any_db, store, [offering])


def test_a_measure_that_needs_what_the_phases_zoo_offers_is_taken(extended: Competition) -> None:
    submission = extended.submission(extended.submit(extended.user(), SIBLINGS))
    assert (submission.track, submission.needs) == ("extended", ["siblings"])


def test_a_measure_that_needs_what_a_zoo_lacks_is_refused_and_nothing_is_stored(extended: Competition) -> None:
    user = extended.user()
    with pytest.raises(
        SubmissionRefused, match=r"needs the trajectory of the training, which the zoo The offering zoo"
    ):
        extended.submit(user, f'{EXTENDED}NEEDS = ("trajectory",)\n{FUNCTION}')
    with extended.db.read() as session:
        assert session.query(PhaseRecord).count() == 1
    assert extended.claim() is None


def test_an_extended_measure_that_needs_nothing_is_taken_everywhere(competition: Competition) -> None:
    submission = competition.submission(competition.submit(competition.user(), EXTENDED + FUNCTION))
    assert (submission.track, submission.needs) == ("extended", [])
    with pytest.raises(SubmissionRefused, match="it offers nothing to the extended track"):
        competition.submit(competition.user("bob"), SIBLINGS)


def test_the_smoke_run_passes_over_zoos_that_cannot_serve_the_measure(
    any_db: Database, store: BundleStore, zoos: ZooStore, tmp_path: Path
) -> None:
    hidden = make_tiny_zoo(tmp_path / "hidden", "hidden", truth_public=False, offers=("siblings",))
    plain = register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "plain", "plain", seed=20))
    competition = make_competition(any_db, store, [hidden], smoke_networks=2, smoke_zoo_id=plain)
    needing = competition.submit(competition.user(), SIBLINGS)
    assert [each.purpose for each in competition.evaluations(needing)] == [Purpose.SCORE]
    assert competition.progress(needing).needs == "sibling networks"
    offering = register_zoo(any_db, zoos, make_tiny_zoo(tmp_path / "public", "public", offers=("siblings",), seed=30))
    with any_db.read() as session:
        phase = session.get_one(PhaseRecord, competition.phase_id)
        for needs, zoo_id in (((), plain), (("siblings",), offering)):
            tried_on = smoke_zoo(session, phase, needs)
            assert tried_on is not None
            assert tried_on.id == zoo_id
        assert smoke_zoo(session, phase, ("trajectory",)) is None
    tried = competition.submit(competition.user("bob"), SIBLINGS)
    assert (Purpose.SMOKE, offering) in [(each.purpose, each.zoo_id) for each in competition.evaluations(tried)]


def test_a_zoo_from_before_there_was_an_extended_track_knows_what_it_offers_once_it_is_added_again(
    any_db: Database, zoos: ZooStore, tmp_path: Path
) -> None:
    folder = make_tiny_zoo(tmp_path / "zoo", "zoo", offers=("siblings",))
    zoo_id = register_zoo(any_db, zoos, folder)
    with any_db.write() as session:
        session.get_one(ZooRecord, zoo_id).offers = []
    assert register_zoo(any_db, zoos, folder) == zoo_id
    with any_db.read() as session:
        assert session.get_one(ZooRecord, zoo_id).offers == ["siblings"]


def test_a_phase_takes_no_zoo_that_lacks_what_its_submissions_need(
    extended: Competition, zoos: ZooStore, tmp_path: Path
) -> None:
    other = register_zoo(extended.db, zoos, make_tiny_zoo(tmp_path / "other", "other", offers=("unlabelled",)))
    with extended.db.read() as session:
        (own,) = session.get_one(PhaseRecord, extended.phase_id).zoo_links
        assert session.get_one(ZooRecord, other).offers == ["unlabelled"]
    extended.submit(extended.user(), SIBLINGS)
    newer = register_zoo(extended.db, zoos, make_tiny_zoo(tmp_path / "newer", "offering", offers=("unlabelled",)))
    message = "1 submissions of the phase main need sibling networks, which the zoo {} does not offer"
    with pytest.raises(CompetitionError, match=message.format("other@1")):
        attach_zoo(extended.db, extended.phase_id, other, None)
    with pytest.raises(CompetitionError, match=message.format("offering@2")):
        replace_zoo(extended.db, extended.phase_id, own.zoo_id, newer, None)
