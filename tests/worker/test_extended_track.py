"""What measures get of the extended track inside the sandbox, and that standard ones get none of it."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_zoo import Zoo, loading, open_zoo
from submissions.settings import Settings
from submissions.storage.states import State
from tests.factories import make_tiny_zoo
from tests.services import wait_until
from tests.worker.sandbox.sandboxed import failure_of, function, value_of
from tests.worker.sandbox.test_own_architecture import OWN, WEIGHT, custom_zoo
from tests.worker.worker_processes import has_ended, prepared, worker
from worker.hints import send_hint
from worker.sandbox.protocol import Code, ContextFiles, Limits, Outcome, Sandbox
from worker.zoo_evaluation import network_files

OFFERS = ("siblings", "unlabelled", "trajectory")


def extended(body: str) -> str:
    """A measure of the extended track with this body."""
    return 'TRACK = "extended"\n' + function(body).replace("(model, dataset)", "(model, dataset, context)")


SUMS = """
    siblings = [sum(float(p.detach().sum()) for p in network.parameters()) for network in context.siblings]
    moments = [m.epoch * sum(float(p.detach().sum()) for p in m.network.parameters()) for m in context.trajectory]
    for network in (*context.siblings, *(moment.network for moment in context.trajectory)):
        assert not network.training and network.initial is None and next(network.parameters()).requires_grad
        assert network(context.unlabelled).shape == (10, 10)
    assert set(vars(context)) == {"siblings", "unlabelled", "trajectory"}
    ordered = sum((i + 1) * value for i, value in enumerate(siblings))
    return ordered + 100 * sum(moments) + float(context.unlabelled.sum())
"""


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    return open_zoo(make_tiny_zoo(tmp_path_factory.mktemp("zoos") / "all", "all", offers=OFFERS))


def evaluate(sandbox: Sandbox, source: str, zoo: Zoo, track: str = "extended") -> Outcome:
    code = Code({"complexity.py": source.encode()}, "digest", track)  # type: ignore[arg-type]
    sandbox.start(code, Limits(wall_s=30.0, memory_bytes=2**30))
    return sandbox.evaluate(network_files(zoo, zoo.networks[0].id, code.track), 1)


def test_siblings_inputs_and_trajectory_are_those_of_the_network_in_order(sandbox: Sandbox, zoo: Zoo) -> None:
    network_id = zoo.networks[0].id

    def total(network: torch.nn.Module) -> float:
        return sum(float(parameter.detach().sum()) for parameter in network.parameters())

    expected = sum((i + 1) * total(one) for i, one in enumerate(loading.load_siblings(zoo, network_id)))
    expected += 100 * sum(epoch * total(one) for epoch, one in loading.load_trajectory(zoo, network_id))
    expected += float(loading.load_unlabelled_inputs(zoo).sum())
    assert value_of(evaluate(sandbox, extended(SUMS), zoo)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("offers", [(), *((each,) for each in OFFERS)], ids=str)
def test_what_a_zoo_does_not_offer_is_none(sandbox: Sandbox, tmp_path: Path, offers: tuple[str, ...]) -> None:
    source = extended(f"return sum(2**i for i, part in enumerate({OFFERS}) if getattr(context, part) is not None)")
    partial = open_zoo(make_tiny_zoo(tmp_path / "partial", "partial", offers=offers))
    assert value_of(evaluate(sandbox, source, partial)) == sum(2 ** OFFERS.index(offer) for offer in offers)


def test_a_standard_measure_gets_two_arguments_and_no_further_file(sandbox: Sandbox, zoo: Zoo) -> None:
    files = network_files(zoo, zoo.networks[0].id)
    assert files.context is None
    assert {path.parent.name for _, path in files.named} == {"networks", "public"}
    assert not any("unlabelled" in path.name for _, path in files.named)
    counts = "def complexity(*arguments):\n    return len(arguments)\n"
    assert value_of(evaluate(sandbox, counts, zoo, "standard")) == 2
    assert value_of(evaluate(sandbox, counts, zoo)) == 3


def test_nothing_of_the_files_is_left_open_for_the_measure(sandbox: Sandbox, zoo: Zoo) -> None:
    source = extended(
        """
        open_ones = []
        for descriptor in range(256):
            try:
                open_ones.append(os.fstat(descriptor).st_size)
            except OSError:
                pass
        return sum(size > 0 for size in open_ones)
        """
    )
    assert value_of(evaluate(sandbox, source, zoo)) == 0


def test_a_change_of_a_sibling_stays_in_the_process(sandbox: Sandbox, zoo: Zoo) -> None:
    source = extended(
        """
        with torch.no_grad():
            weight = next(context.siblings[0].parameters())
            before = float(weight.abs().sum())
            weight.zero_()
            context.unlabelled.zero_()
        return before
        """
    )
    first = value_of(evaluate(sandbox, source, zoo))
    assert first > 0
    assert value_of(evaluate(sandbox, source, zoo)) == first


def test_as_many_siblings_as_a_zoo_may_have_are_handed_over(sandbox: Sandbox, zoo: Zoo) -> None:
    files = network_files(zoo, zoo.networks[0].id, "extended")
    many = ContextFiles((files.weights,) * 40, zoo.unlabelled_file, ((1.0, files.weights),) * 24)
    sandbox.start(Code({"complexity.py": extended("return len(context.siblings)").encode()}, "d", "extended"), Limits())
    assert value_of(sandbox.evaluate(replace(files, context=many), 1)) == 40


def test_a_zoos_own_code_builds_its_siblings_too(sandbox: Sandbox, tmp_path: Path) -> None:
    own = custom_zoo(tmp_path / "own", OWN)
    files = network_files(own, "abc")
    context = ContextFiles((files.weights, files.weights), None, None)
    source = extended("return sum(float(s(dataset.inputs).detach().sum()) for s in context.siblings)")
    sandbox.start(Code({"complexity.py": source.encode()}, "digest", "extended"), Limits())
    outcome = sandbox.evaluate(replace(files, context=context), 1)
    assert value_of(outcome) == pytest.approx(2 * 2 * 3 * WEIGHT.sum())


def test_a_measure_that_takes_too_few_arguments_raises_its_own_error(sandbox: Sandbox, zoo: Zoo) -> None:
    failure = failure_of(evaluate(sandbox, "def complexity(model, dataset):\n    return 1\n", zoo))
    assert failure.detail.startswith("TypeError")


@pytest.mark.thorough
def test_a_submission_of_the_extended_track_is_scored_by_a_worker(settings: Settings, tmp_path: Path) -> None:
    folder = make_tiny_zoo(tmp_path / "all", "all", offers=OFFERS)
    source = 'NEEDS = ("siblings", "trajectory")\n' + extended(SUMS)
    with prepared(settings, folder, smoke_networks=2) as competition, worker(settings):
        submission_id = competition.submit(competition.user(), source)
        send_hint(settings)
        wait_until(has_ended(competition, submission_id), "the submission has ended", timeout_s=60)
        submission = competition.submission(submission_id)
        assert (submission.state, submission.track) == (State.SCORED, "extended"), submission.detail
