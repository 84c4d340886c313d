"""The backends are found by name: an unknown name is an error wherever it is used, a new module is a backend."""

import textwrap
from pathlib import Path

import pytest
from click.testing import CliRunner

from server.cli import main
from server.commands.operate.doctor import examine
from submissions.settings import Settings
from worker.process import run_worker
from worker.sandbox import backends
from worker.sandbox.backends import Backend, UnknownBackendError, backend_names, find_backend
from worker.sandbox.checks import Found
from worker.sandbox.layers.selftest import try_sandbox
from worker.sandbox.pool import make_pool
from worker.sandbox.protocol import Code, Limits, SandboxError

KNOWN = "there is no sandbox backend 'dokcer'; known: bubblewrap, docker"
TOY = """
from worker.sandbox.backends import Backend
from worker.sandbox.checks import Check, Found
from worker.sandbox.protocol import SandboxError


class ToyLauncher:
    serves_many_measures = True
    covers_root = False
    layers = {}

    def __init__(self, image):
        self.image = image

    def launch(self):
        raise SandboxError(f"the toy with {self.image} does not run")

    def prepare(self):
        pass

    def close(self):
        pass


BACKEND = Backend(
    launcher=lambda settings, _is_lean: ToyLauncher(settings.docker_image),
    probes=(lambda: Check("toy box", Found.OK, "is there"),),
    remedy="Buy a better toy.",
)
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend `toy`, made by adding one module to the folder of backends."""
    (tmp_path / "toy.py").write_text(textwrap.dedent(TOY))
    (tmp_path / "toy_parts.py").write_text("raise AssertionError('a part is no backend')")
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path)])


def test_each_module_without_an_underscore_is_a_backend() -> None:
    assert backend_names() == ("bubblewrap", "docker")
    assert all(isinstance(find_backend(name), Backend) for name in backend_names())


@pytest.mark.parametrize(
    "arguments",
    [
        ("worker",),
        ("evaluate", __file__, "--zoo", "digits-mlp"),
        ("baselines", "run", "--zoo", "digits-mlp", "--all"),
        ("serve",),
        ("demo",),
    ],
    ids=lambda arguments: arguments[0],
)
def test_each_command_refuses_an_unknown_name_and_lists_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GENGAP_SANDBOX", "dokcer")
    refused = CliRunner().invoke(main, arguments)
    assert (refused.exit_code, refused.stderr.strip()) == (2, f"Error: GENGAP_SANDBOX: {KNOWN}")


def test_the_doctor_names_an_unknown_backend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GENGAP_SANDBOX", "dokcer")
    (found,) = [check for check in examine() if check.name == "settings"]
    assert (found.state, found.text) == (Found.MISSING, f"GENGAP_SANDBOX: {KNOWN}")


def test_code_that_reads_the_settings_itself_is_refused_too(tmp_path: Path) -> None:
    wrong = Settings(home=tmp_path, sandbox="dokcer")
    for use in (lambda: make_pool(wrong, 1), lambda: try_sandbox(wrong), lambda: run_worker(wrong, lambda *_: list)):
        with pytest.raises(UnknownBackendError, match="known: bubblewrap, docker"):
            use()


@pytest.mark.usefixtures("toy")
def test_a_new_module_is_picked_by_its_name_with_options_and_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backend_names() == ("bubblewrap", "docker", "toy")
    pool = make_pool(Settings(sandbox="toy", docker_image="wood"), 1)
    with pool.borrow() as sandbox, pytest.raises(SandboxError, match="the toy with wood does not run"):
        sandbox.start(Code({"complexity.py": b""}, "digest"), Limits())
    pool.close()
    monkeypatch.setenv("GENGAP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GENGAP_SANDBOX", "toy")
    found = {check.name: check for check in examine()}
    assert found["toy box"].text == "is there"
    assert (found["sandbox"].state, found["sandbox"].remedy) == (Found.MISSING, "Buy a better toy.")
    assert "bubblewrap" not in found
