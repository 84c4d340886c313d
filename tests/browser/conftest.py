"""Debian's Chromium, headless, and a watch on everything its pages complain about or fetch from elsewhere."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, ViewportSize, sync_playwright
from werkzeug.serving import make_server

from tests.server.site import Site

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE: ViewportSize = {"width": 360, "height": 740}
LOOKS = pytest.mark.parametrize(
    ("scheme", "viewport"),
    [
        ("light", {"width": 1200, "height": 800}),
        pytest.param("dark", {"width": 1200, "height": 800}, marks=pytest.mark.thorough),
        pytest.param("light", PHONE, marks=pytest.mark.thorough),
        ("dark", PHONE),
    ],
    ids=["desktop-light", "desktop-dark", "phone-light", "phone-dark"],
)


@dataclass
class Watch:
    """What a page said on its console, and which other hosts it asked."""

    base_url: str
    complaints: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)

    def follow(self, context: BrowserContext) -> None:
        context.on("page", self._follow_page)
        context.on("request", self._note_request)

    def _follow_page(self, page: Page) -> None:
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.location.get('url')}: {message.text}")

    def _note_request(self, request: Request) -> None:
        if not request.url.startswith((self.base_url, "data:", "blob:")):
            self.external.append(request.url)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    executable = shutil.which("chromium")
    assert executable is not None, "Debian's package chromium is needed: `make setup` installs it"
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=flags)
        yield browser
        browser.close()


@dataclass(frozen=True)
class ServedSite:
    """A site without workers, reachable over HTTP."""

    site: Site
    url: str


@pytest.fixture
def served_site(tmp_path: Path) -> Iterator[ServedSite]:
    site = Site(tmp_path)
    server = make_server("127.0.0.1", 0, site.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield ServedSite(site, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()
    site.close()
