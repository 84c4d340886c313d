"""A zoo's check as one HTML page that needs nothing else: to be kept, mailed or opened without a server.

`gengap zoo check --html` writes it.
"""

from model_zoo.checks.report import CheckReport, Verdict
from server.charts.zoo_charts import PICTURES
from server.presentation.standalone_page import chart_address, standalone_page


def page(report: CheckReport) -> str:
    """The whole page: verdicts, the three pictures, and tables of the same numbers."""
    return standalone_page(
        "zoo_check.html",
        report=report,
        numbers=report.numbers,
        counts={verdict.value: len(report.of(verdict)) for verdict in Verdict},
        pictures=[(name, title, chart_address(make(report))) for name, (title, make) in PICTURES.items()],
    )
