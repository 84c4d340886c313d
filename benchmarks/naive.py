"""The naive ways to evaluate a network that the sandbox is measured against: everything anew for each network.

Used by `benchmarks.sandbox`; run by itself it prints the seconds of one network in each way.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import DockerException

from model_zoo import open_zoo
from tests.factories import make_tiny_zoo
from worker.sandbox.backends.bubblewrap import command_line
from worker.sandbox.backends.docker import DockerOptions
from worker.sandbox.backends.visible_files import PACKAGES
from worker.sandbox.protocol import NetworkFiles
from worker.zoo_evaluation import network_files

PROGRAM = """
import sys
sys.path[:0] = ["/gengap", "/opt/inside"]
sys.path.append("{packages}")
import json, os
import numpy, scipy, sklearn, torch
from model_zoo.architectures import load_network, load_training_data
weights, data, architecture, classes = sys.argv[1:5]
model = load_network(json.loads(architecture), os.open(weights, os.O_RDONLY), None)
dataset = load_training_data(os.open(data, os.O_RDONLY), int(classes))
{measure}
print(complexity(model, dataset))
"""
TRIVIAL = "def complexity(model, dataset):\n    return 1.0\n"


@dataclass(frozen=True)
class NaiveWay:
    """`run(network, measure)` evaluates one network and waits for it. It raises where that fails."""

    name: str
    run: Callable[[NetworkFiles, str], None]


def naive_ways() -> list[NaiveWay]:
    """Those that this machine can run."""
    ways = [NaiveWay("a fresh process", in_bubblewrap)]
    if has_docker():
        ways.append(NaiveWay("docker run", in_docker))
    return ways


def in_bubblewrap(network: NetworkFiles, measure: str) -> None:
    """bwrap, Python, `import torch`, one network: the same view of the machine as a zygote has."""
    command = command_line()
    at = command.index("--proc")
    inside = ["/gengap/weights", "/gengap/data"]
    for file, name in zip((network.weights, network.training_data), inside, strict=True):
        command[at:at] = ["--ro-bind", str(file), name]
    entry = command.index("-c") + 1
    finish([*command[:entry], PROGRAM.format(measure=measure, packages=PACKAGES), *inside, *told(network)])


def in_docker(network: NetworkFiles, measure: str) -> None:
    """`docker run` with the sandbox's image, as an organizer without Gengap would write it."""
    mounts = []
    for file, name in ((network.weights, "/weights"), (network.training_data, "/data")):
        mounts += ["--volume", f"{file}:{name}:ro"]
    command = ["docker", "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", *mounts]
    command += ["--entrypoint", "/opt/gengap/bin/python", "--env", "OMP_NUM_THREADS=1", DockerOptions().image]
    finish([*command, "-c", PROGRAM.format(measure=measure, packages=PACKAGES), "/weights", "/data", *told(network)])


def told(network: NetworkFiles) -> list[str]:
    return [json.dumps(network.architecture), str(network.classes)]


def finish(command: list[str]) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, capture_output=True, env=environment)


def has_docker() -> bool:
    """Whether an engine answers (DOCKER_HOST) and has the image of the sandbox."""
    try:
        return bool(docker.from_env().images.list(DockerOptions().image))
    except DockerException:
        return False


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        zoo = open_zoo(make_tiny_zoo(Path(folder) / "zoo"))
        network = network_files(zoo, zoo.networks[0].id)
        for way in naive_ways():
            begin = time.perf_counter()
            way.run(network, TRIVIAL)
            print(f"{way.name}: {time.perf_counter() - begin:.2f} s")


if __name__ == "__main__":
    main()
