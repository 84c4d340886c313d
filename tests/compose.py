"""compose.yaml as the tests read it: what it says of a service, and that service's settings for a single container."""

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[1] / "compose.yaml"
ENGINE_SOCKET = "/var/run/docker.sock"


def services() -> dict[str, dict[str, Any]]:
    """Every service by name, with what it takes over from elsewhere in the file."""
    told = yaml.safe_load(FILE.read_text())["services"]
    assert isinstance(told, dict)
    return told


def worker_settings(socket: Path) -> dict[str, object]:
    """The worker's rights and mounts as the SDK calls them, with the engine's socket at this place."""
    worker = services()["worker"]
    mounts = (mount.split(":") for mount in worker["volumes"])
    return {
        "pid_mode": worker["pid"],
        "group_add": [str(socket.stat().st_gid)],
        "volumes": [
            f"{socket if source == ENGINE_SOCKET else source}:{target}"
            for source, target in mounts
            if source.startswith("/")
        ],
        "environment": {"GENGAP_SANDBOX": worker["environment"]["GENGAP_SANDBOX"]},
    }
