"""A new metric is one file: scores, boards, exports and the API take it up without another change."""

import json
from pathlib import Path

from tests.everyday.copies import Copy

TOY = '''"""A toy: the share of networks whose value is positive."""

from scoring.metric import Direction, Metric

METRIC = Metric(
    key="positive_share",
    title="Positive share",
    symbol="pos",
    help="the share of networks whose value is positive",
    group="Toys",
    direction=Direction.LOWER,
    order=900,
    compute=lambda zoo: float((zoo.values > 0).mean()),
    on_leaderboard=True,
    digits=2,
)
'''

PROGRAM = """
import json, re, sys
from pathlib import Path

import scoring
from submissions.evaluation.score_computation import score_evaluation
from submissions.storage.records import EvaluationRecord, ZooRecord
from tests.server.site import Site

site = Site(Path(sys.argv[1]))
phase = site.phase(zoos=("digits-mlp",))
networks = sorted(site.truth("digits-mlp"))


def scored(name, cmi, positive):
    submission = site.submission(phase, site.system, cmi=(cmi,), name=name, is_baseline=True)
    values = {network: (1.0 if place < positive else -1.0) - place / 1000 for place, network in enumerate(networks)}
    with site.db.write() as session:
        digest = session.query(ZooRecord).one().manifest_sha256
        evaluation = session.query(EvaluationRecord).filter_by(submission_id=submission).one()
        evaluation.report = score_evaluation(site.zoos.truth(digest), "gap", values).report


scored("all", 0.4, len(networks))
scored("one", 0.3, 1)
scored("none", 0.2, 0)
board, browser = "/competitions/demo/main/leaderboard", site.browser()
page = browser.get(f"{board}?sort=positive_share.digits-mlp").text
api = browser.get("/api/v1/competitions/demo/phases/main/leaderboard?sort=positive_share.digits-mlp").get_json()
document = browser.get("/api/v1/openapi.json").get_json()
print(json.dumps({
    "scoring": scoring.__file__,
    "networks": len(networks),
    "heading": "the share of networks whose value is positive; lower is better" in page and ">pos</a>" in page,
    "order": re.findall(r'<th scope="row"><a [^>]*>([^<]*)</a>', page.partition("<tbody>")[2].partition("</tbody>")[0]),
    "csv": "digits-mlp.positive_share" in browser.get(f"{board}.csv").text.splitlines()[0],
    "json": [row["cells"][0]["positive_share"] for row in browser.get(f"{board}.json").get_json()["rows"]],
    "api": [row["cells"][0]["positive_share"] for row in api["items"]],
    "document": document["components"]["schemas"]["BoardCell"]["properties"]["positive_share"]["description"],
}))
"""


def test_a_metric_is_one_file(tmp_path: Path) -> None:
    copy = Copy(tmp_path / "copy")
    copy.add("scoring/metrics/positive_share.py", TOY)
    seen = json.loads(copy.run(PROGRAM, str(tmp_path / "site")))
    one = round(1 / seen["networks"], 2)
    assert seen["scoring"].startswith(str(copy.folder))
    assert seen["heading"]
    assert seen["order"] == ["none", "one", "all"]  # lower is better
    assert seen["csv"]
    assert seen["json"] == [1.0, one, 0.0]  # by score
    assert seen["api"] == [0.0, one, 1.0]
    assert seen["document"] == "the share of networks whose value is positive; lower is better"
    assert len(copy.changed) <= 3
