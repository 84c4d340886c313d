"""The three images of the Dockerfile, built for real: each does its work, as a user who is not root.

That the sandbox's image serves networks is what every test with the docker backend shows; see also `test_docker`.
"""

import contextlib
import json
import re
from collections.abc import Iterator

import httpx
import pytest
from docker.models.containers import Container

from server.demo.processes import free_port
from tests.compose import services, worker_settings
from tests.docker_engine import docker_options, engine, require_image, socket_path
from tests.services import wait_until

pytestmark = pytest.mark.docker

IMAGES = ("gengap-server", "gengap-worker", "gengap-sandbox")
LABELS = {"gengap": "tests"}
Settings = dict[str, object]


def said_by(image: str, command: list[str], settings: Settings | None = None) -> tuple[int, str]:
    """The exit status and the output of a command in a container."""
    require_image(image)
    with container(image, command, settings) as running:
        status = running.wait()["StatusCode"]
        return int(status), running.logs(stdout=True, stderr=False).decode()


@contextlib.contextmanager
def container(image: str, command: list[str] | None = None, settings: Settings | None = None) -> Iterator[Container]:
    """Runs with these settings of the SDK, without a network unless they say otherwise; removed at the end."""
    made = engine().containers.create(image, command, labels=LABELS, **{"network_mode": "none"} | (settings or {}))
    try:
        made.start()
        yield made
    finally:
        made.remove(force=True, v=True)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_s_user_is_not_root(image: str) -> None:
    assert said_by(image, ["id", "-u"])[1].strip() not in ("", "0")


def test_the_server_s_image_serves_pages() -> None:
    require_image("gengap-server")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {"GENGAP_PORT": str(port), "GENGAP_HOST": "127.0.0.1"}
    settings = restrictions("server") | {"environment": environment, "network_mode": "host"}
    with container("gengap-server", settings=settings) as server:

        def answers() -> bool:
            server.reload()
            assert server.status == "running", server.logs().decode()
            with contextlib.suppress(httpx.TransportError):
                return bool(httpx.get(f"{address}/healthz").json()["database"] == "ok")
            return False

        wait_until(answers, "the server in its container")
        assert httpx.get(f"{address}/help/metrics").status_code == 200  # the documentation is in the image


def test_the_server_s_image_is_without_what_only_workers_need() -> None:
    status, said = said_by("gengap-server", ["pip", "list", "--format", "freeze"])
    packages = {line.partition("==")[0].lower() for line in said.split()}
    assert status == 0
    assert {"flask", "waitress", "gengap", "psycopg"} <= packages
    assert not {"torch", "scikit-learn", "docker", "pytest"} & packages


def test_the_doctor_says_in_the_server_s_image_what_is_missing_there() -> None:
    require_image("gengap-server")
    with container("gengap-server", ["gengap", "doctor"]) as running:
        assert running.wait()["StatusCode"] == 1
        words = running.logs().decode()
    assert re.search(r"torch +│ missing │ not installed", words)
    assert "Traceback" not in words


def test_a_command_that_the_server_s_image_cannot_run_says_so() -> None:
    require_image("gengap-server")
    with container("gengap-server", ["sh", "-c", "GENGAP_SANDBOX=docker gengap worker"]) as running:
        assert running.wait()["StatusCode"] != 0
        words = running.logs().decode()
    assert "the sandbox backend docker needs docker, which is not installed" in " ".join(words.split())
    assert "Traceback" not in words


def test_the_worker_s_image_has_its_commands() -> None:
    status, said = said_by("gengap-worker", ["gengap", "worker", "--help"])
    assert (status, said.splitlines()[0]) == (0, "Usage: gengap worker [OPTIONS]")


def test_a_worker_in_its_container_runs_sandboxes_beside_it() -> None:
    """As compose.yaml starts it: not root, no capability, only the engine's socket and sight of its processes."""
    docker_options()
    _, said = said_by(
        "gengap-worker",
        ["gengap", "doctor", "--json"],
        restrictions("worker") | worker_settings(socket_path()),
    )
    told = json.loads(said)
    checks = {check["name"]: check for check in told["checks"]}
    layers = {layer["name"]: layer["state"] for layer in told["layers"]}
    assert checks["sandbox"]["state"] == "ok", checks["sandbox"]
    assert told["ok"]
    assert {name for name, state in layers.items() if state == "ok"} >= {
        *("namespaces", "no_network", "read_only_files", "no_capabilities", "seccomp"),
        *("container", "dedicated_user", "resident_memory_watch"),
    }


def restrictions(name: str) -> Settings:
    """What compose.yaml takes away from this service, and a home folder."""
    told = services()[name]
    return {
        "cap_drop": told["cap_drop"],
        "security_opt": told["security_opt"],
        "tmpfs": {"/data": "uid=61001,mode=0700"},
    }
