"""An import that is killed, crowded out of the disk or given up leaves nothing; one that goes on stays small."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_zoo import ZooError, open_zoo
from model_zoo.importers.import_process import import_in_child
from model_zoo.importers.import_request import PgdlRequest
from model_zoo.importers.pgdl import import_pgdl
from tests.model_zoo.importers.keras_plain import Layer, random_arrays
from tests.model_zoo.importers.tasks import Task, unwatched, write_task, write_weights
from tests.model_zoo.importers.wire import shard

KILLS_ITSELF = """
import os, signal, sys
from model_zoo.importers.pgdl import import_pgdl
from model_zoo.importers.import_request import PgdlRequest

def watch(done, total, text):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

import_pgdl(PgdlRequest.model_validate_json(sys.stdin.read()), watch)
"""


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return write_task(tmp_path / "pgdl")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder for a zoo."""
    (tmp_path / "zoos").mkdir()
    return tmp_path / "zoos"


def request(task: Task, out: Path) -> PgdlRequest:
    return PgdlRequest(task=task.folder, reference=task.reference, out=out, device="cpu")


def names(folder: Path) -> list[str]:
    """Everything in the folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


def test_a_killed_import_shows_no_zoo_and_the_next_one_sweeps_what_it_left(task: Task, place: Path) -> None:
    asked = request(task, place / "zoo")
    killed = subprocess.run([sys.executable, "-c", KILLS_ITSELF], input=asked.model_dump_json(), text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    left = names(place)
    assert left
    assert all(name.startswith(".zoo.") for name in left)
    folders = [path for path in place.iterdir() if path.is_dir()]  # they hold the truth and test inputs
    assert [path.stat().st_mode & 0o777 for path in folders] == [0o700, 0o700]
    import_pgdl(asked, unwatched)
    assert names(place) == ["zoo"]
    open_zoo(place / "zoo").verify()


def test_an_import_that_is_given_up_leaves_nothing(task: Task, place: Path) -> None:
    def give_up(done: int, total: int, text: str) -> None:
        if done == 2:
            raise InterruptedError("the job was cancelled")

    with pytest.raises(InterruptedError):
        import_in_child("pgdl", request(task, place / "zoo").model_dump(), give_up)
    assert names(place) == []


def test_two_imports_do_not_write_the_same_zoo_at_once(task: Task, place: Path) -> None:
    refused: list[ZooError] = []

    def watch(done: int, total: int, text: str) -> None:
        if done == 2 and not refused:
            with pytest.raises(ZooError, match="another import writes this zoo now") as caught:
                import_pgdl(request(task, place / "zoo"), unwatched)
            refused.append(caught.value)

    import_pgdl(request(task, place / "zoo"), watch)
    assert len(refused) == 1
    assert names(place) == ["zoo"]


@pytest.mark.parametrize("kilobytes", [16, *(pytest.param(few, marks=pytest.mark.thorough) for few in (8, 40))])
def test_a_full_disk_is_told_and_leaves_nothing(kilobytes: int, task: Task, place: Path) -> None:
    """On a real filesystem of so many kilobytes, which this test's own mount namespace has."""
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    script = 'mount -t tmpfs -o size="$1"k tmpfs "$2" && "$3" -P -m model_zoo.importers pgdl; ls -A "$2"'
    ran = subprocess.run(
        ["unshare", *rights, "--mount", "sh", "-c", script, "sh", str(kilobytes), str(place), sys.executable],
        input=request(task, place / "zoo").model_dump_json(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare: unshare failed" in ran.stderr:
        pytest.skip("this machine lets nobody mount a filesystem")
    *progress, last = ran.stdout.splitlines()
    assert progress
    assert json.loads(last) == {
        "error": f"{place / 'zoo'}: cannot write the zoo: No space left on device; nothing was left behind"
    }


def test_a_folder_that_cannot_be_written_is_told(task: Task, place: Path) -> None:
    (place / "file").write_text("")
    with pytest.raises(ZooError, match=r"file/zoo: cannot be written: (Not a directory|File exists)"):
        import_pgdl(request(task, place / "file" / "zoo"), unwatched)


def test_a_child_that_dies_is_told(task: Task, place: Path) -> None:
    """As the kernel does where memory runs out."""

    def kill_children(done: int, total: int, text: str) -> None:
        for thread in Path("/proc/self/task").iterdir():
            for child in (thread / "children").read_text().split():
                if b"model_zoo.importers" in Path(f"/proc/{child}/cmdline").read_bytes():
                    os.kill(int(child), signal.SIGKILL)

    with pytest.raises(
        ZooError, match=r"zoo: its import was ended by signal 9 while it was looking at network 10; was"
    ):
        import_in_child("pgdl", request(task, place / "zoo").model_dump(), kill_children)
    assert "zoo" not in names(place)


def test_asking_for_an_import_loads_no_torch() -> None:
    """The web process and the worker's supervisor do it."""
    told = (
        "import sys, model_zoo.importers.import_process, server.commands.zoo.zoo_import; print('torch' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"


def large_task(folder: Path, count: int) -> Task:
    """`count` networks of 8 MB each, in a grid of one axis."""
    layers: list[Layer] = [
        {"layer_name": "Flatten"},
        {"layer_name": "Dense", "units": 20_000, "activation": "relu"},
        {"layer_name": "Dense", "units": 2},
    ]
    shape = (10, 10, 1)
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(4, *shape)).astype(np.float32)
    task = Task(folder / "input_data" / "large", folder / "reference_data", inputs, np.array([0, 1, 0, 1]), {})
    train = task.folder / "dataset_1" / "train"
    train.mkdir(parents=True)
    (train / "shard_0.tfrecord").write_bytes(shard(inputs, task.labels.tolist()))
    configs = {}
    for number in range(count):
        network = task.folder / f"model_{number}"
        network.mkdir()
        (network / "config.json").write_text(json.dumps({"model_config": layers, "input_shape": list(shape)}))
        arrays = random_arrays(layers, shape, generator)
        arrays[2][0][:] = 0  # so that the first class always wins, and half of the labels are right
        arrays[2][1][:] = [1, 0]
        write_weights(network / "weights.hdf5", layers, arrays)
        configs[str(number)] = {
            "hparams": {"seed": {"current_value": number, "possible_values": list(range(count))}},
            "metrics": {"train_acc": 0.5, "test_acc": 0.5},
        }
    (task.reference / "large").mkdir(parents=True)
    (task.reference / "large" / "model_configs.json").write_text(json.dumps(configs))
    return task


def peak_bytes(task: Task, out: Path) -> int:
    """The most memory that the importing process had."""
    asked = PgdlRequest(task=task.folder, reference=task.reference, out=out, test_size=100)
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "model_zoo.importers", "pgdl"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert child.stdin is not None
    child.stdin.write(asked.model_dump_json().encode())
    child.stdin.close()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return int(usage.ru_maxrss) * 1024


@pytest.mark.thorough
def test_memory_does_not_grow_with_the_number_of_networks(tmp_path: Path) -> None:
    few = peak_bytes(large_task(tmp_path / "few", 2), tmp_path / "few-zoo")
    many = peak_bytes(large_task(tmp_path / "many", 8), tmp_path / "many-zoo")
    assert len(open_zoo(tmp_path / "many-zoo").networks) == 8
    assert many - few < 3 * 8_000_000, "6 more networks of 8 MB each were not to stay in memory"
