"""compose.yaml holds together: with the Dockerfile, with the settings, and with what it must not open."""

import re
from pathlib import Path

from submissions.settings import Settings
from tests.compose import services

DOCKERFILE = Path(__file__).parents[1] / "Dockerfile"


def test_what_it_builds_are_targets_of_the_dockerfile() -> None:
    targets = set(re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE.read_text(), re.MULTILINE))
    built = {told["image"]: told["build"]["target"] for told in services().values() if "build" in told}
    assert built == {"gengap-server": "server", "gengap-worker": "worker", "gengap-sandbox": "sandbox"}
    assert set(built.values()) <= targets


def test_its_variables_are_settings() -> None:
    known = {f"GENGAP_{name.upper()}" for name in Settings.model_fields}
    for told in services().values():
        assert {name for name in told.get("environment", {}) if name.startswith("GENGAP_")} <= known


def test_its_worker_uses_the_image_that_it_builds() -> None:
    default = Settings.model_fields["docker_image"].default
    assert services()["sandbox"]["image"] == default
    assert services()["worker"]["environment"]["GENGAP_SANDBOX"] == "docker"


def test_only_the_server_has_a_port_and_only_this_machine_reaches_it() -> None:
    assert {name: told["ports"] for name, told in services().items() if "ports" in told} == {
        "server": ["127.0.0.1:8000:8000"]
    }


def test_only_the_worker_has_the_engine() -> None:
    for name, told in services().items():
        assert any("docker.sock" in mount for mount in told.get("volumes", ())) == (name == "worker")


def test_ours_have_no_capabilities_and_gain_none() -> None:
    for name in ("server", "worker"):
        told = services()[name]
        assert told["cap_drop"] == ["ALL"]
        assert told["security_opt"] == ["no-new-privileges:true"]
        assert not told.get("privileged", False)


def test_it_holds_no_password() -> None:
    text = Path(DOCKERFILE.with_name("compose.yaml")).read_text()
    for value in re.findall(r"PASSWORD: (.*)", text):
        assert re.fullmatch(r"\$\{\w+:(\?[^}]+|-)\}", value)
