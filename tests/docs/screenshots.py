"""The pictures of the documentation: a real demo with people in it, photographed in Debian's Chromium.

`make pictures` writes them to docs/images. It trains the demo's zoos if need be and evaluates a dozen measures for
real, which takes some minutes; the numbers on the pictures are what came out.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from server.demo.processes import free_port
from server.demo.visitor import Visitor
from submissions.baselines import baseline_path
from tests.records import PASSWORD
from tests.services import wait_until

IMAGES = Path(__file__).parents[2] / "docs" / "images"
COMPETITION = "/competitions/demo"
PHASE = f"{COMPETITION}/digits"
DESK: ViewportSize = {"width": 1200, "height": 860}
LONG: ViewportSize = {"width": 1200, "height": 2650}
PHONE: ViewportSize = {"width": 390, "height": 844}
COLOURS = 256
PATIENCE_S = 1800.0
MEASURES = {  # who submits which measures of the literature
    "ada": ("Jacobian norm", "Davies-Bouldin times mixup"),
    "bela": ("Sum of spectral norms", "Gradient variance"),
    "chen": ("Augment margin",),
    "dora": ("Path norm", "Within-class variance"),
}


@dataclass(frozen=True)
class Shot:
    """A picture: its file's name, the page, and how it is looked at."""

    name: str
    path: str
    viewport: ViewportSize = field(default_factory=lambda: DESK)
    is_dark: bool = False


def main() -> None:
    """Write every picture anew."""
    with tempfile.TemporaryDirectory(prefix="gengap-pictures-") as home, _demo(Path(home)) as url:
        ids = _submissions(url)
        _photograph(url, ids)


@contextmanager
def _demo(home: Path) -> Iterator[str]:
    port = free_port()
    environment = os.environ | {"GENGAP_HOME": str(home), "GENGAP_PUBLIC_URL": "https://gengap.example.org"}
    command = [sys.executable, "-P", "-m", "server.cli", "demo", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    visitor = Visitor(f"http://127.0.0.1:{port}")
    try:
        wait_until(visitor.is_up, "the demo", PATIENCE_S)
        yield f"http://127.0.0.1:{port}"
    finally:
        visitor.close()
        process.terminate()
        process.wait()


def _submissions(url: str) -> dict[str, int]:
    """Every measure uploaded by its author and scored; ids by the measure's name."""
    ids = {}
    for person, names in MEASURES.items():
        visitor = Visitor(url)
        visitor.register(person, PASSWORD)
        for name in names:
            path = baseline_path(name)
            ids[name] = visitor.upload(f"{PHASE}/submit", name, path.name, path.read_bytes())
        visitor.close()
    with httpx.Client(base_url=url, trust_env=False) as client:
        for name, number in ids.items():
            wait_until(
                lambda number=number: (
                    re.search(  # type: ignore[misc]
                        r'badge (scored|failed|broken)"', client.get(f"/submissions/{number}").text
                    )
                    is not None
                ),
                f"the score of {name}",
                PATIENCE_S,
            )
    return ids


def _shots(ids: dict[str, int]) -> list[Shot]:
    first, second = ids["Jacobian norm"], ids["Davies-Bouldin times mixup"]
    board, result = f"{PHASE}/leaderboard", f"/submissions/{first}"
    return [
        Shot("home.png", "/"),
        Shot("competition.png", COMPETITION),
        Shot("leaderboard.png", board),
        Shot("leaderboard-dark.png", board, is_dark=True),
        Shot("leaderboard-phone.png", board, PHONE),
        Shot("submit.png", f"{PHASE}/submit"),
        Shot("submit-dark.png", f"{PHASE}/submit", is_dark=True),
        Shot("result.png", result, LONG),
        Shot("result-phone.png", result, PHONE),
        Shot("compare.png", f"/compare?a={first}&b={second}"),
    ]


def _photograph(url: str, ids: dict[str, int]) -> None:
    executable = shutil.which("chromium")
    if executable is None:
        raise SystemExit("Debian's package chromium is needed: make setup installs it")
    flags = ["--disable-gpu", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=flags)
        for shot in _shots(ids):
            with _context(browser, shot, url) as page:
                page.goto(url + shot.path)
                page.wait_for_load_state("networkidle")
                _save(page.screenshot(), IMAGES / shot.name)
        browser.close()


@contextmanager
def _context(browser: Browser, shot: Shot, url: str) -> Iterator[Page]:
    """A page where ada is logged in."""
    context: BrowserContext = browser.new_context(
        viewport=shot.viewport, color_scheme="dark" if shot.is_dark else "light", timezone_id="Europe/Berlin"
    )
    page = context.new_page()
    page.goto(f"{url}/login")
    page.get_by_label("Name or email").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(f"{url}/")
    yield page
    context.close()


def _save(picture: bytes, path: Path) -> None:
    """With a small palette: a quarter of the size, and nothing that an eye would miss."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
