"""What bubblewrap shows of this machine: all that Python loads, and neither more nor less than the Docker image has."""

import re
import subprocess
import sys
from pathlib import Path

from worker.harness.zygote import ALWAYS_LOADED, LOADED_FOR_MANY
from worker.sandbox.backends.visible_files import DISTRIBUTIONS, PACKAGES, visible_files

ROOT = Path(__file__).parents[3]
STANDARD = ("ssl", "sqlite3", "ctypes", "bz2", "lzma", "zlib", "hashlib", "readline", "uuid", "decimal")


def test_every_file_of_the_system_that_python_maps_is_shown() -> None:
    """The dynamic loader's own answer, against what is read from the files; packages may use others that are there."""
    names = [
        name for name in (*ALWAYS_LOADED, *LOADED_FOR_MANY, *STANDARD) if not name.startswith(("model_zoo", "worker"))
    ]
    program = f"import {', '.join(names)}\nprint(open('/proc/self/maps').read())"
    maps = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    mapped = {Path(path) for path in re.findall(r" (/\S+)$", maps, re.MULTILINE) if not path.startswith(sys.prefix)}
    sources = [source.resolve() for source, _ in visible_files().shown]
    unseen = [path for path in mapped if not any(path.is_relative_to(source) for source in sources)]
    assert len(mapped) > 10
    assert [path for path in unseen if not re.search(r"/locale/|gconv", str(path))] == []


def test_no_package_beside_what_a_measure_may_import_is_shown() -> None:
    inside = {place for _, place in visible_files().shown if place.is_relative_to(PACKAGES)}
    assert {PACKAGES / name for name in ("torch", "numpy", "scipy", "sklearn", "safetensors", "joblib")} <= inside
    assert not {PACKAGES / name for name in ("flask", "celery", "sqlalchemy", "docker", "_pytest")} & inside


def test_no_place_inside_tells_where_the_environment_is() -> None:
    assert not [place for _, place in visible_files().shown if place.is_relative_to(sys.prefix)]


def test_the_image_of_the_docker_backend_has_the_same_packages() -> None:
    installed = re.findall(
        r"pip install --no-cache-dir -c constraints\.txt (torch .*)", (ROOT / "Dockerfile").read_text()
    )
    assert [tuple(line.split()) for line in installed] == [DISTRIBUTIONS]
