"""The report of a zoo's check as one self-contained HTML page, written by `gengap zoo check --html`."""

from model_zoo.checks.report import CheckReport, Verdict
from server.charts.zoo_charts import PICTURES
from server.presentation.standalone_page import chart_address, standalone_page


def page(report: CheckReport) -> str:
    """Return the HTML: verdicts, the three pictures, and tables of the same numbers."""
    return standalone_page(
        "zoo_check.html",
        report=report,
        numbers=report.numbers,
        counts={verdict.value: len(report.of(verdict)) for verdict in Verdict},
        pictures=[(name, title, chart_address(make(report))) for name, (title, make) in PICTURES.items()],
    )
