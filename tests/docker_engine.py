"""A Docker engine for the tests: the one that DOCKER_HOST or GENGAP_DOCKER_SOCKET names, or the machine's own.

`.ci/run` starts one and builds the images; `.ci/docker-engine` does the same for a developer. In continuous
integration a missing engine is a failure; elsewhere the tests that need one are skipped and say why.
"""

import os
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NoReturn

import docker
import pytest
from docker.errors import DockerException

from worker.sandbox.backends.docker import DockerLauncher, DockerOptions, build_command
from worker.sandbox.backends.docker_cleanup import Owner, containers

SOCKET = os.environ.get("GENGAP_DOCKER_SOCKET", "")  # read now: a test's settings are not this machine's
HINT = "start one with .ci/docker-engine and set DOCKER_HOST"


@cache
def engine() -> docker.DockerClient:
    """The engine; skips the test (fails it in continuous integration) if none answers."""
    try:
        if SOCKET:
            return docker.DockerClient(base_url=SOCKET, version="auto")
        return docker.from_env(version="auto")
    except DockerException:
        _cannot(f"no Docker engine answers ({HINT})")


def socket_path() -> Path:
    """The engine's socket; skips the test (fails it in continuous integration) if it has none on this machine."""
    path = _path()
    if not path.is_socket():
        _cannot(f"the Docker engine has no socket at {path}")
    return path


def require_image(name: str) -> None:
    """Skip the test (fail it in continuous integration) if the engine has no such image. While some are built, wait."""
    while True:
        is_building = _path().with_name("building").exists()  # as `.ci/docker-engine images` marks it
        if engine().images.list(name):
            return
        if not is_building:
            _cannot(f"the Docker engine has no image {name} (`.ci/docker-engine images`, or {build_command(name)})")
        time.sleep(0.5)


def docker_options() -> DockerOptions:
    """Where the tests' engine is, with the image that was built from this checkout."""
    require_image(DockerOptions().image)
    return DockerOptions(socket=SOCKET)


@cache
def docker_launcher() -> DockerLauncher:
    """Starts zygotes in containers of the tests' engine; one for all tests, closed by `close_docker_launcher`."""
    return DockerLauncher(docker_options())


def close_docker_launcher() -> None:
    """To be called when no test needs it any more."""
    if docker_launcher.cache_info().currsize:
        docker_launcher().close()
        docker_launcher.cache_clear()


def our_containers(*, only_running: bool = False) -> Mapping[str, str]:
    """The owner of every sandbox on the engine, by container. One that is still being made may be listed too."""
    return {
        str(found["Id"]): found["Labels"]["gengap.owner"]
        for found in containers(engine())
        if str(found["State"]) == "running" or not only_running
    }


def containers_of_this_process(*, only_running: bool = False) -> set[str]:
    """Only these: several test runs may share an engine."""
    us = str(Owner.this_process())
    return {name for name, owner in our_containers(only_running=only_running).items() if owner == us}


def wait_for_the_spare() -> None:
    """Until the launcher of the tests has the container ready that it starts ahead, now if it has not yet begun."""
    docker_launcher().prepare()
    docker_launcher().wait_for_spare()


def _path() -> Path:
    address = SOCKET or os.environ.get("DOCKER_HOST") or "/var/run/docker.sock"
    return Path(address.removeprefix("unix://"))


def _cannot(why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)
