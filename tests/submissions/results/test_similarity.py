"""How alike measures order networks: rank correlations with shipped measures, told to those who see the values."""

import pytest
from scipy import stats
from sqlalchemy import select

from model_zoo.manifest import NetworkTruth
from submissions.results import similarity
from submissions.results.disclosure import EVERYBODY, Reader
from submissions.results.known_measures import known_results
from submissions.results.similarity import Agreement, KnownValues, Similar, agreement, known_values, results_on
from submissions.results.submission_result import result
from submissions.storage.records import PhaseRecord, SubmissionRecord, ValueRecord
from submissions.storage.roles import PERMISSIONS, Role
from tests.records import Records
from tests.results import Measure, the_gap

ORGANIZER = Reader(permissions=PERMISSIONS[Role.ORGANIZER])


def _reversed_gap(network: NetworkTruth, place: int) -> float:
    return -the_gap(network, place)


def _other(network: NetworkTruth, place: int) -> float:
    return float(place * 7 % 5)


def _flat(_network: NetworkTruth, _place: int) -> float:
    return 3.0


MEASURES = {"Squared norm": the_gap, "Path norm": _reversed_gap, "Jacobian norm": _other, "VC dimension": _flat}


def _ship(records: Records, phase: int, zoos: int = 1) -> None:
    for name, measure in MEASURES.items():
        shipped = records.submission(phase, records.system, cmi=(0.1,) * zoos, name=name, is_baseline=True)
        _give(records, shipped, measure)


def _submitted(records: Records, phase: int, measure: Measure, zoos: int = 1, **fields: object) -> int:
    submission = records.submission(phase, records.ann, cmi=(0.1,) * zoos, name="Squared norm", **fields)  # type: ignore[arg-type]
    _give(records, submission, measure)
    return submission


def _give(records: Records, submission: int, measure: Measure) -> None:
    """Replace the recorded values by those of a measure."""
    with records.db.write() as session:
        for evaluation in session.get_one(SubmissionRecord, submission).evaluations:
            networks = records.zoos.truth(evaluation.zoo.manifest_sha256).networks
            values = session.scalars(select(ValueRecord).where(ValueRecord.evaluation_id == evaluation.id))
            for place, value in enumerate(sorted(values, key=lambda one: one.network_id)):
                value.value = measure(networks[value.network_id], place)


def _known(records: Records, zoo: str = "zoo") -> KnownValues:
    with records.db.read() as session:
        listed = known_results(session)
        zoo_id = next(one.zoo.zoo_id for one in listed if one.zoo.name == zoo)
        return known_values(session, zoo_id, results_on(listed, zoo_id))


def _similar(
    records: Records, submission: int, reader: Reader = EVERYBODY, zoo: str = "zoo", itself: str | None = None
) -> tuple[Similar, ...]:
    known = _known(records, zoo) if reader is EVERYBODY or zoo == "zoo" else KnownValues((), (), ())
    with records.db.read() as session:
        seen = result(session, submission, reader)
        assert seen is not None
        return similarity.similar_measures(session, seen, zoo, known, itself=itself)


def test_a_known_measure_in_disguise_is_named_first_and_a_reversed_one_with_its_sign(records: Records) -> None:
    phase = records.phase(zoos=("zoo",))
    _ship(records, phase)
    submission = _submitted(records, phase, lambda network, place: the_gap(network, place) ** 3)
    found = _similar(records, submission)
    assert [(one.measure.name, round(one.rho, 12)) for one in found[:2]] == [("Path norm", -1), ("Squared norm", 1)]
    truth = records.zoos.truth(_sha256(records, phase))
    networks = [truth.networks[network_id] for network_id in sorted(truth.networks)]
    ours = [the_gap(network, place) for place, network in enumerate(networks)]
    theirs = [_other(network, place) for place, network in enumerate(networks)]
    assert found[2].measure.name == "Jacobian norm"
    assert found[2].rho == pytest.approx(stats.spearmanr(ours, theirs).statistic)
    assert len(found) == 3  # a constant resembles nothing


def _sha256(records: Records, phase: int) -> str:
    with records.db.read() as session:
        return session.get_one(PhaseRecord, phase).zoos[0].manifest_sha256


def test_a_shipped_measure_is_not_compared_with_itself(records: Records) -> None:
    phase = records.phase(zoos=("zoo",))
    _ship(records, phase)
    submission = _submitted(records, phase, the_gap)
    assert "Squared norm" in [one.measure.name for one in _similar(records, submission)]
    assert "Squared norm" not in [one.measure.name for one in _similar(records, submission, itself="Squared norm")]


@pytest.mark.parametrize("owner", [False, True])
def test_with_the_ladder_nobody_is_told_what_a_submission_resembles(records: Records, owner: bool) -> None:
    phase = records.phase(zoos=("zoo",), uses_ladder=True)
    _ship(records, phase)
    submission = _submitted(records, phase, the_gap)
    assert _similar(records, submission, Reader(is_owner=owner)) == ()
    assert _similar(records, submission, ORGANIZER)


def test_on_a_secret_zoo_nothing_is_compared(records: Records) -> None:
    records.zoo("secret", truth_public=False)
    phase = records.phase(zoos=("secret", "zoo"))
    _ship(records, phase, 2)
    submission = _submitted(records, phase, the_gap, 2)
    assert _similar(records, submission, Reader(is_owner=True))
    assert _similar(records, submission, Reader(is_owner=True), zoo="secret") == ()


def test_nothing_is_compared_with_random_numbers(records: Records) -> None:
    phase = records.phase(zoos=("zoo",))
    shipped = records.submission(phase, records.system, cmi=(0.1,), name="Random number", is_baseline=True)
    _give(records, shipped, the_gap)
    assert _similar(records, _submitted(records, phase, the_gap)) == ()


def test_the_table_of_all_puts_similar_measures_beside_each_other(records: Records) -> None:
    phase = records.phase(zoos=("zoo",))
    _ship(records, phase)
    found = agreement(_known(records))
    names = [measure.name for measure in found.measures]
    assert abs(names.index("Squared norm") - names.index("Path norm")) == 1
    at = names.index("VC dimension")
    assert set(found.rho[at]) == {None}
    for row in range(len(names)):
        assert found.rho[row][row] is None or found.rho[row][row] == pytest.approx(1)
        assert found.rho[row] == tuple(found.rho[column][row] for column in range(len(names)))
    assert found.networks == 12


def test_without_measures_there_is_nothing_to_agree_on() -> None:
    assert agreement(KnownValues(("a", "b"), (), ())) == Agreement(2, (), ())


def test_on_a_large_zoo_all_measures_are_compared_on_one_sample(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similarity, "MOST_NETWORKS", 5)
    phase = records.phase(zoos=("zoo",))
    _ship(records, phase)
    known = _known(records)
    assert 2 <= len(known.network_ids) <= 5
    assert {len(row) for row in known.values} == {len(known.network_ids)}
    assert _similar(records, _submitted(records, phase, the_gap))[0].rho == pytest.approx(-1)
