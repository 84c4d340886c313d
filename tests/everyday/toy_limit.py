"""Run by `test_toy_limit` in a copy of the tree that has a further limit: where it is seen, as one JSON object."""

from pathlib import Path

from click.testing import CliRunner

from server.cli import main
from submissions.settings import Settings
from submissions.storage import limits
from submissions.storage.records import PhaseRecord
from tests.server.site import Site
from worker.sandbox.layers.layer_check import throwaway_network
from worker.sandbox.pool import make_pool
from worker.sandbox.protocol import Code, Value

MEASURE = (
    b"import resource\n\n\ndef complexity(model, dataset):\n    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]\n"
)


def _value(folder: Path, granted: limits.Limits) -> float | str:
    pool = make_pool(Settings(sandbox="bubblewrap", home=folder), 1)
    try:
        with pool.borrow() as sandbox:
            sandbox.start(Code({"complexity.py": MEASURE}, "digest"), granted)
            outcome = sandbox.evaluate(throwaway_network(folder), 1)
    finally:
        pool.close()
    return outcome.value if isinstance(outcome, Value) else str(outcome)


def run(folder: Path) -> dict[str, object]:
    """Change a phase's new limit in the form, then look for it everywhere."""
    site = Site(folder)
    phase_id = site.phase()
    olga, page = site.browser("olga"), f"/organizer/phases/{phase_id}"
    form = olga.get(page).text
    typed = {"title": "Main phase", "opens_at": "2027-03-01T12:00", "target": "gap", "daily_quota": "5"}
    typed |= {"smoke_networks": "2", "repeat_networks": "0", "count_rule": "best"}
    refused = olga.post(page, typed | {"open_files": "8"}).text
    changed = olga.post(page, typed | {"open_files": "99"}).status_code
    with site.db.read() as session:
        phase = session.get_one(PhaseRecord, phase_id)
    answers = site.browser("ann").get("/api/v1/competitions/demo/phases/main").get_json()
    schemas = site.browser().get("/api/v1/openapi.json").get_json()["components"]["schemas"]
    site.db.close()
    return {
        "code": str(Path(limits.__file__).parents[2]),
        "form": 'name="open_files" type="number" value="200"' in form and "Descriptors at a time." in form,
        "refused": "Give from 16 to 256." in refused,
        "changed": changed,
        "api": answers["limits"]["open_files"],
        "document": [name for name in sorted(schemas) if "open_files" in schemas[name].get("properties", {})],
        "page": "99 open files" in site.browser().get("/competitions/demo").text,
        "option": "--open-files" in CliRunner().invoke(main, ["evaluate", "--help"]).stdout,
        "sandbox": _value(folder, phase.limits),
    }
