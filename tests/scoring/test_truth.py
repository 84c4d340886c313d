"""Truths of both formats and of arrays, the grid's checks, aligning values: each error by its message."""

import copy
from itertools import product
from typing import Any

import numpy as np
import pytest

from scoring import (
    GridError,
    ScoringError,
    Truth,
    TruthError,
    ValuesError,
    competition_score,
    parse_truth,
    report,
)
from scoring.errors import (
    DuplicateNetworksError,
    IncompleteGridError,
    InexactNumberError,
    MissingValuesError,
    NotANumberError,
    NotFiniteError,
    RepeatedValuesError,
    SingleAxisError,
    TooFewNetworksError,
    UnknownNetworksError,
)

Json = dict[str, Any]
TRAIN = (0.9, 0.95, 1.0, 0.97, 0.99, 0.93, 0.91, 0.96)
TEST = (0.8, 0.6, 0.9, 0.7, 0.75, 0.85, 0.65, 0.5)


@pytest.fixture
def gengap() -> Json:
    """A truth.json of eight networks, a0 … a7."""
    axes = [
        {"name": "width", "values": [16, 32]},
        {"name": "optimizer", "values": ["sgd", "adam"]},
        {"name": "batch_norm", "values": [False, True]},
    ]
    networks = {
        f"a{index}": {
            "hyperparameters": dict(zip(("width", "optimizer", "batch_norm"), place, strict=True)),
            "metrics": {"train_acc": TRAIN[index], "test_acc": TEST[index], "test_loss": float(index)},
            "source": None,
        }
        for index, place in enumerate(product((16, 32), ("sgd", "adam"), (False, True)))
    }
    return {"format": 1, "axes": axes, "test_size": 100, "networks": networks}


@pytest.fixture
def pgdl() -> Json:
    """A model_configs.json of eight networks, 20 … 27, with values as texts and as numbers."""
    possible: dict[str, list[Any]] = {"convwidth": ["256", "512"], "dropout_p": [0.0, 0.5], "bs": [8, 32]}
    return {
        str(20 + index): {
            "dev_name": f"m{index}",
            "hparams": {
                name: {"current_value": value, "possible_values": possible[name]}
                for name, value in zip(possible, place, strict=True)
            },
            "metrics": {"train_acc": TRAIN[index], "test_acc": TEST[index], "train_loss": 0.01},
        }
        for index, place in enumerate(product(*possible.values()))
    }


def test_gengaps_truth_gives_gaps_grid_and_metrics(gengap: Json) -> None:
    truth = parse_truth(gengap)
    assert truth.ids == tuple(f"a{index}" for index in range(8))
    assert truth.targets.tolist() == [0.1, 0.35, 0.1, 0.27, 0.24, 0.08, 0.26, 0.46]
    assert [axis.name for axis in truth.grid.axes] == ["width", "optimizer", "batch_norm"]
    assert truth.grid.coordinates[6].tolist() == [1, 1, 0]
    assert truth.metrics["a3"] == {"train_acc": 0.97, "test_acc": 0.7, "test_loss": 3.0}


def test_a_recorded_metric_can_be_the_target(gengap: Json, pgdl: Json) -> None:
    assert parse_truth(gengap, "test_loss").targets.tolist() == list(range(8))
    assert parse_truth(pgdl, "train_loss").targets.tolist() == [0.01] * 8


def test_pgdls_model_configs_and_gengaps_truth_of_the_same_networks_score_alike(gengap: Json, pgdl: Json) -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
    ours = report(parse_truth(gengap), {f"a{i}": value for i, value in enumerate(values)})
    theirs = report(parse_truth(pgdl), {f"{20 + i}": value for i, value in enumerate(values)})
    assert ours.kendall == theirs.kendall
    assert list(ours.cmi.table.values()) == list(theirs.cmi.table.values())


@pytest.mark.parametrize("truth_prefix", ["", "model_"])
@pytest.mark.parametrize("value_prefix", ["", "model_"])
def test_pgdls_ids_match_with_and_without_their_prefix(pgdl: Json, truth_prefix: str, value_prefix: str) -> None:
    truth = Truth.from_pgdl({truth_prefix + network: entry for network, entry in pgdl.items()})
    assert truth.ids == tuple(str(20 + index) for index in range(8))
    values = {f"{value_prefix}{20 + index}": float(-index) for index in reversed(range(8))}
    assert truth.align(values).tolist() == [-float(index) for index in range(8)]


def test_gengaps_ids_have_no_prefix(gengap: Json) -> None:
    values = {f"model_a{index}": 1.0 for index in range(8)}
    with pytest.raises(MissingValuesError, match=r"8 of 8 networks have no value: 'a0', .* and 3 more"):
        parse_truth(gengap).align(values)


def test_hyperparameters_are_compared_as_written(pgdl: Json) -> None:
    for entry in pgdl.values():
        entry["hparams"]["bs"]["current_value"] = str(entry["hparams"]["bs"]["current_value"])
    assert parse_truth(pgdl).grid.coordinates[1].tolist() == [0, 0, 1]
    pgdl["20"]["hparams"]["bs"]["current_value"] = 8.0
    with pytest.raises(GridError, match=r"'20' has bs = 8\.0, which is not among the possible values \[8, 32\]"):
        parse_truth(pgdl)


def test_arrays_of_the_wrong_shape_are_refused() -> None:
    axes = {"width": [1, 2], "depth": [1, 2]}
    rows = np.array(list(product((0, 1), (0, 1))))
    with pytest.raises(TruthError, match=r"targets have the shape \(3,\); 4 networks need one each"):
        Truth.from_arrays("abcd", np.zeros(3), axes, rows)
    with pytest.raises(GridError, match=r"coordinates have the shape \(4, 1\); 4 networks on 2 axes need \(4, 2\)"):
        Truth.from_arrays("abcd", np.zeros(4), axes, rows[:, :1])
    with pytest.raises(GridError, match="'d' has the coordinate 2 on the axis 'width', which has 2 possible values"):
        Truth.from_arrays("abcd", np.zeros(4), axes, np.array([[0, 0], [0, 1], [1, 0], [2, 1]]))
    with pytest.raises(TruthError, match="the target 'gap' is not finite for 'b', 'd'"):
        Truth.from_arrays("abcd", np.array([0, np.nan, 1, np.inf]), axes, rows)
    with pytest.raises(DuplicateNetworksError, match="ids occur more than once: 'a'"):
        Truth.from_arrays("abca", np.zeros(4), axes, rows)


def test_ids_and_axes_that_look_alike_are_refused_by_name(gengap: Json) -> None:
    axes = {"width": [1, 2], "depth": [1, 2]}
    rows = np.array(list(product((0, 1), (0, 1))))
    with pytest.raises(DuplicateNetworksError, match=r"equal after Unicode normalisation \('\\xe9' and 'e\\u0301'\)"):
        Truth.from_arrays(["\u00e9", "a", "e\u0301", "b"], np.arange(4.0), axes, rows)
    with pytest.raises(GridError, match=r"is listed twice \('\\xe9' and 'e\\u0301'\)"):
        Truth.from_arrays("abcd", np.arange(4.0), {"\u00e9": [1, 2], "e\u0301": [1, 2]}, rows)
    gengap["networks"]["\uff410"] = gengap["networks"].pop("a7")
    with pytest.raises(DuplicateNetworksError, match="the ids 'a0' and '\uff410' are equal after"):
        parse_truth(gengap)


def test_a_network_with_a_value_in_another_writing_is_refused(gengap: Json) -> None:
    for written in (16.0, "16.0", True):
        gengap["networks"]["a2"]["hyperparameters"]["width"] = written
        with pytest.raises(GridError, match=r"'a2' has width = .*, which is not among the possible values"):
            parse_truth(gengap)


def test_the_arrays_of_a_truth_are_its_own_and_read_only(gengap: Json) -> None:
    targets = np.arange(4.0)
    truth = Truth.from_arrays("abcd", targets, {"x": [0, 1], "y": [0, 1]}, np.array(list(product((0, 1), (0, 1)))))
    targets[0] = 9
    assert truth.targets[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        truth.targets[0] = 9


def remove(*path: str) -> Any:
    def change(content: Json) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def put(value: object, *path: Any) -> Any:
    def change(content: Json) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = copy.deepcopy(value)

    return change


GENGAP_FAULTS: list[tuple[Any, type[ScoringError], str]] = [
    (put(2, "format"), TruthError, "the truth has format 2; this Gengap reads format 1"),
    (remove("format"), TruthError, "the truth has format None"),
    (remove("axes"), TruthError, "axes: expected a list, found nothing"),
    (put([3], "axes"), TruthError, r"axes\[0\]: expected an object, found a int"),
    (remove("networks"), TruthError, "networks: expected an object, found nothing"),
    (put([], "networks", "a1"), TruthError, "the network 'a1': expected an object, found a list"),
    (put(7, "axes", 0, "name"), TruthError, r"axes\[0\] has no name"),
    (put([], "axes", 1, "values"), GridError, "the axis 'optimizer' has no possible value"),
    (
        put([1, [2]], "axes", 1, "values"),
        GridError,
        r"'optimizer' has the possible value \[2\]; it must be a text",
    ),
    (put([1.0, float("nan")], "axes", 1, "values"), GridError, "'optimizer' has the possible value nan"),
    (put([16, 32, 16], "axes", 0, "values"), GridError, "'width' lists the possible value 16 twice"),
    (
        put([0.0, -0.0], "axes", 0, "values"),
        GridError,
        r"'width' lists 0\.0 and -0\.0, which are equal but written diff",
    ),
    (
        put([1, True], "axes", 0, "values"),
        GridError,
        "'width' lists 1 and True, which are equal but written differently",
    ),
    (put(["0.1", 0.1], "axes", 0, "values"), GridError, r"'width' lists the possible value 0\.1 twice"),
    (put(["8", 8.0], "axes", 0, "values"), GridError, r"'width' lists '8' and 8\.0, which are equal but written diff"),
    (put(["\u00e9", "e\u0301"], "axes", 0, "values"), GridError, "'width' lists .* which are equal but written diff"),
    (put("width", "axes", 1, "name"), GridError, "'a0' has the hyperparameter 'optimizer', which is no axis"),
    (
        remove("networks", "a2", "hyperparameters"),
        TruthError,
        "hyperparameters of the network 'a2': expected an object",
    ),
    (
        remove("networks", "a2", "hyperparameters", "width"),
        GridError,
        "'a2' has no value on the axis 'width'",
    ),
    (
        put(64, "networks", "a2", "hyperparameters", "width"),
        GridError,
        "'a2' has width = 64, which is not among",
    ),
    (remove("networks", "a5", "metrics"), TruthError, "metrics of the network 'a5': expected an object"),
    (
        remove("networks", "a5", "metrics", "test_acc"),
        TruthError,
        "'a5' has no metric 'test_acc', which the target 'gap'",
    ),
    (
        put("1", "networks", "a5", "metrics", "test_acc"),
        TruthError,
        "'test_acc' of the network 'a5' is '1'; it must be",
    ),
    (
        put(True, "networks", "a5", "metrics", "test_acc"),
        TruthError,
        "'test_acc' of the network 'a5' is True",
    ),
    (
        put(1e999, "networks", "a5", "metrics", "test_acc"),
        TruthError,
        "the target 'gap' is not finite for 'a5'",
    ),
    (
        put(2**53 + 1, "networks", "a5", "metrics", "epochs"),
        TruthError,
        r"'epochs' of the network 'a5' is 9007199254740993, a whole number beyond 2\^53 that float64 cannot hold",
    ),
]


@pytest.mark.parametrize(("fault", "kind", "message"), GENGAP_FAULTS)
def test_a_faulty_truth_is_refused_with_its_place(
    gengap: Json, fault: Any, kind: type[ScoringError], message: str
) -> None:
    fault(gengap)
    with pytest.raises(kind, match=message):
        parse_truth(gengap)


PGDL_FAULTS: list[tuple[Any, type[ScoringError], str]] = [
    (remove("23", "metrics"), TruthError, "metrics of the network '23': expected an object, found nothing"),
    (put([], "23", "hparams"), TruthError, "hparams of the network '23': expected an object, found a list"),
    (put(8, "23", "hparams", "bs"), TruthError, "hparams.bs of the network '23': expected an object"),
    (
        remove("23", "hparams", "bs", "possible_values"),
        TruthError,
        "possible_values in hparams.bs of the network '23'",
    ),
    (remove("23", "hparams", "bs", "current_value"), GridError, "'23' has bs = None, which is not among"),
    (
        remove("23", "hparams", "bs"),
        GridError,
        "'23' lists other possible values than the first network on .* 'bs'",
    ),
    (
        put([8, 64], "23", "hparams", "bs", "possible_values"),
        GridError,
        "'23' lists other possible values .* 'bs'",
    ),
    (put({}, "model_23"), TruthError, "neither Gengap's truth.json .* nor PGDL's"),
    (put({"hparams": {}}, "model_23"), DuplicateNetworksError, "'23' occurs both with and without 'model_'"),
]


@pytest.mark.parametrize(("fault", "kind", "message"), PGDL_FAULTS)
def test_faulty_model_configs_are_refused_with_their_place(
    pgdl: Json, fault: Any, kind: type[ScoringError], message: str
) -> None:
    fault(pgdl)
    with pytest.raises(kind, match=message):
        parse_truth(pgdl)


@pytest.mark.parametrize("content", [{}, [], None, 3, "truth", {"a": 1.0}, {"20": {"metrics": {}}}])
def test_content_of_neither_format_is_refused(content: object) -> None:
    with pytest.raises(TruthError, match=r"neither Gengap's truth\.json .* nor PGDL's model_configs\.json"):
        parse_truth(content)


GRID_FAULTS: list[tuple[Any, type[ScoringError], str]] = [
    (
        remove("networks", "a6"),
        IncompleteGridError,
        "1 of 8 combinations have no network: 'width=32, optimizer=adam, batch_norm=False'; add",
    ),
    (
        put([16, 32, 64], "axes", 0, "values"),
        IncompleteGridError,
        "the axis 'width' lists the possible value 64, but no network has it",
    ),
    (
        put({"width": 16, "optimizer": "sgd", "batch_norm": True}, "networks", "a6", "hyperparameters"),
        DuplicateNetworksError,
        r"'a1' and 'a6' have the same hyperparameters \(width=16, optimizer=sgd, batch_norm=True\)",
    ),
]


@pytest.mark.parametrize(("fault", "kind", "message"), GRID_FAULTS)
def test_a_grid_with_a_hole_or_a_double_is_not_scored(
    gengap: Json, fault: Any, kind: type[ScoringError], message: str
) -> None:
    fault(gengap)
    truth = parse_truth(gengap)
    values = dict(zip(truth.ids, range(8), strict=False))
    with pytest.raises(kind, match=message):
        report(truth, values)


def test_many_holes_are_counted_and_the_first_named(gengap: Json) -> None:
    gengap["networks"] = {network: gengap["networks"][network] for network in ("a0", "a7")}
    with pytest.raises(IncompleteGridError, match=r"6 of 8 combinations .* and 1 more; add"):
        report(parse_truth(gengap), {"a0": 1, "a7": 2})


def test_a_single_axis_is_not_scored() -> None:
    truth = Truth.from_arrays("abc", np.arange(3.0), {"width": [1, 2, 3]}, np.array([[0], [1], [2]]))
    with pytest.raises(SingleAxisError, match=r"needs at least two axes .* only 'width'"):
        report(truth, {"a": 1, "b": 2, "c": 3})


def test_networks_without_axes_are_not_scored(pgdl: Json) -> None:
    for entry in pgdl.values():
        entry["hparams"] = {}
    with pytest.raises(SingleAxisError, match=r"needs at least two axes .* none"):
        report(parse_truth(pgdl), dict.fromkeys(pgdl, 1.0))


def test_two_networks_are_not_scored() -> None:
    truth = Truth.from_arrays("ab", np.arange(2.0), {"width": [1, 2], "depth": [1]}, np.array([[0, 0], [1, 0]]))
    with pytest.raises(TooFewNetworksError, match="there are 2 networks; a score needs at least 3"):
        report(truth, {"a": 1, "b": 2})


VALUE_FAULTS: list[tuple[Any, type[ValuesError], str]] = [
    (remove("20"), MissingValuesError, "^1 of 8 networks have no value: '20'$"),
    (
        put(1.0, "77"),
        UnknownNetworksError,
        "^1 values are for networks that the truth does not have: '77'; remove",
    ),
    (
        put(1.0, "model_20"),
        RepeatedValuesError,
        "'20' has two values, one under '20' and one under 'model_20'",
    ),
    (put(True, "21"), NotANumberError, r"^1 values are not numbers: '21' \(the first is True\)$"),
    (put("0.5", "21"), NotANumberError, r"^1 values are not numbers: '21' \(the first is '0.5'\)$"),
    (put(None, "21"), NotANumberError, r"\(the first is None\)"),
    (put([0.5], "21"), NotANumberError, r"\(the first is \[0.5\]\)"),
    (put(1j, "21"), NotANumberError, "'21'"),
    (put(float("nan"), "21"), NotFiniteError, "^1 values are nan or infinite: '21'$"),
    (put(float("-inf"), "21"), NotFiniteError, "'21'"),
    (put(10**400, "21"), NotFiniteError, "'21'"),
    (
        put(2**60 + 1, "21"),
        InexactNumberError,
        r"^the value of '21' \(the first is 1152921504606846977\) is a whole number beyond 2\^53 that float64 cannot",
    ),
    (put(-(2**53) - 1, "21"), InexactNumberError, "'21'"),
    (put(np.int64(2**60 + 1), "21"), InexactNumberError, "'21'"),
    (
        put(1.0, "\uff12\uff11"),
        RepeatedValuesError,
        r"'21' and '\uff12\uff11' are equal after Unicode normalisation \(",
    ),
]


@pytest.mark.parametrize(("fault", "kind", "message"), VALUE_FAULTS)
def test_values_that_do_not_fit_are_refused_by_id(
    pgdl: Json, fault: Any, kind: type[ValuesError], message: str
) -> None:
    values: Json = dict.fromkeys(pgdl, 0.5)
    fault(values)
    with pytest.raises(kind, match=message):
        parse_truth(pgdl).align(values)


def test_at_most_five_ids_are_named(pgdl: Json) -> None:
    with pytest.raises(NotFiniteError, match=r"8 values .*: '20', '21', '22', '23', '24' and 3 more$"):
        parse_truth(pgdl).align(dict.fromkeys(pgdl, float("nan")))


def test_values_that_are_no_mapping_are_refused(pgdl: Json) -> None:
    values: Any = [0.5] * 8
    with pytest.raises(ValuesError, match="the values must be an object: network id → number"):
        parse_truth(pgdl).align(values)


def test_large_whole_numbers_that_float64_holds_are_values(pgdl: Json) -> None:
    values: Json = dict.fromkeys(pgdl, 2**53) | {"20": 2**60, "21": -(10**22), "22": np.int64(-(2**62))}
    assert parse_truth(pgdl).align(values).tolist() == [2.0**60, -1e22, -(2.0**62)] + [2.0**53] * 5


def test_numbers_of_numpy_are_numbers(pgdl: Json) -> None:
    values: Json = dict.fromkeys(pgdl, np.float32(0.5)) | {"20": np.int64(3)}
    assert parse_truth(pgdl).align(values).tolist() == [3] + [0.5] * 7


def test_a_competition_score_is_100_times_the_mean() -> None:
    assert competition_score([0.25, 0.5]) == 37.5
    with pytest.raises(ScoringError, match="at least one zoo"):
        competition_score([])
