"""The first view of a result's page and of the submit form in Chromium, on a processor four times slower than this one.

Run with `python -m benchmarks.first_paint [rounds]`; it needs Debian's chromium. The real application runs under its
web server, over a submission on three zoos with all their pictures. The other way, in the same run and in turns: no
picture has been drawn by a worker, so that the browser draws them, and the browser accepts no compression. Blocking is
the time of each task beyond 50 ms, until nothing happens any more. Times are medians.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from server.charts.picture_maker import PictureMaker
from server.demo.processes import free_port
from submissions.settings import Settings
from submissions.storage.database import Database
from submissions.storage.migrations import migrate
from submissions.storage.records import PictureRecord
from tests.browser.conftest import FLAGS
from tests.records import PASSWORD, Records
from tests.results import noticeable_zoo, score

ROUNDS, SLOWER, IDLE_MS = 5, 4, 3000
PROGRAM = """
from server.app import create_app
from server.http.slow_clients import serve
serve(create_app(), "127.0.0.1", {port}, ready=lambda host, port: None)
"""
OBSERVE = """
window.blocked = window.last = 0;
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) {
    window.blocked += task.duration - 50;
    window.last = task.startTime + task.duration;
  }
}).observe({ type: "longtask", buffered: true });
"""
QUIET = f"() => document.readyState === 'complete' && performance.now() > window.last + {IDLE_MS}"
WAYS = {"drawn by the browser, uncompressed": False, "drawn by a worker, compressed": True}


@dataclass(frozen=True)
class View:
    """One view of a page."""

    paint_ms: float
    blocked_ms: float
    script_kb: float
    all_kb: float


def view(browser: Browser, url: str, log_in: str | None, *, compressed: bool) -> View:
    """Look at a page with an empty cache. log_in: the address of the form, if one must be logged in."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    page = context.new_page()
    if log_in is not None:
        page.goto(log_in)
        page.get_by_label("Name").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("main").get_by_role("button", name="Log in").click()
        page.wait_for_load_state()
    cdp = context.new_cdp_session(page)
    kinds: dict[str, str] = {}
    sizes: dict[str, float] = {}
    cdp.on("Network.responseReceived", lambda event: kinds.update({event["requestId"]: event["type"]}))
    cdp.on(
        "Network.loadingFinished", lambda event: sizes.update({event["requestId"]: event["encodedDataLength"] / 1000})
    )
    cdp.send("Network.enable")
    cdp.send("Network.clearBrowserCache")
    if not compressed:
        cdp.send("Network.setExtraHTTPHeaders", {"headers": {"Accept-Encoding": "identity"}})
    cdp.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.add_init_script(OBSERVE)
    page.goto(url)
    page.wait_for_function(QUIET, polling=200, timeout=120_000)
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    blocked = page.evaluate("window.blocked")
    context.close()
    scripts = sum(size for request, size in sizes.items() if kinds.get(request) == "Script")
    return View(paint, blocked, scripts, sum(sizes.values()))


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    port = free_port()
    environment = {
        **os.environ,
        "GENGAP_HOME": str(settings.home),
        "GENGAP_CACHE": str(settings.cache),
        "PYTHONPATH": str(Path.cwd()),
    }
    environment |= dict.fromkeys(("GENGAP_RATE_READING", "GENGAP_RATE_LOGIN"), "999999/second")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(port=port)], env=environment, stdout=subprocess.DEVNULL
    ) as process:
        try:
            url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while True:
                try:
                    httpx.get(f"{url}/healthz")
                    break
                except httpx.TransportError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.2)
            yield url
        finally:
            process.terminate()


def scored(records: Records) -> int:
    """A submission on three zoos where every picture has something to show."""
    zoos = tuple(noticeable_zoo(records, name) for name in ("one", "two", "three"))
    submission = records.submission(records.phase(zoos=zoos), records.ann, cmi=(0.1, 0.2, 0.3))
    score(records, submission)
    return submission


def measured(rounds: int, records: Records, url: str, submission: int) -> dict[tuple[str, str], View]:
    pages = {
        "result": (f"{url}/submissions/{submission}", None),
        "submit form": (f"{url}/competitions/demo/main/submit", f"{url}/login"),
    }
    found: dict[tuple[str, str], list[View]] = {(page, way): [] for page in pages for way in WAYS}
    executable = shutil.which("chromium")
    flags = [*FLAGS, "--no-sandbox"] if os.geteuid() == 0 else list(FLAGS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, headless=True, args=flags)
        for _ in range(rounds):
            for way, is_drawn in WAYS.items():
                with records.db.write() as session:
                    session.query(PictureRecord).delete()
                if is_drawn:
                    PictureMaker(records.db, records.zoos).step()
                for page, (address, log_in) in pages.items():
                    found[page, way].append(view(browser, address, log_in, compressed=is_drawn))
        browser.close()
    return {
        key: View(*(median(getattr(one, name) for one in views) for name in View.__dataclass_fields__))
        for key, views in found.items()
    }


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(prefix="gengap-paint-") as folder:
        settings = Settings(home=Path(folder), cache=Path(folder) / "cache")
        settings.make_home()
        db = Database(settings.effective_database_url)
        migrate(db)
        records = Records(db, Path(folder))
        submission = scored(records)
        with serving(settings) as url:
            found = measured(rounds, records, url, submission)
        db.close()
    table = Table(title=f"First view, processor {SLOWER} times slower, {rounds} rounds")
    for heading in ("page", "way", "first paint, ms", "blocking, ms", "JavaScript, KB", "all, KB"):
        table.add_column(heading, justify="left" if heading in ("page", "way") else "right")
    for (page, way), one in found.items():
        numbers = (one.paint_ms, one.blocked_ms, one.script_kb, one.all_kb)
        table.add_row(page, way, *(f"{number:.0f}" for number in numbers))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
