"""A zoo's check as one HTML page that needs nothing else: to be kept, mailed or opened without a server.

`gengap zoo check --html` writes it. Style sheet, fonts and the charts' code are put inside.
"""

import base64
import json
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from jinja2 import Environment, PackageLoader, StrictUndefined

from model_zoo.checks.report import CheckReport, Verdict
from server.pages.formats import number, signed
from server.zoo_charts import PICTURES

_SCRIPTS = ("vendor/vega.min.js", "vendor/vega-lite.min.js", "vendor/vega-embed.min.js", "charts.js")
_FONT = re.compile(r'url\("(vendor/[^"]+\.woff2)"\)')


def page(report: CheckReport) -> str:
    """The whole page: verdicts, the three pictures, and tables of the same numbers."""
    environment = Environment(
        loader=PackageLoader("server"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "signed": signed}
    return environment.get_template("zoo_check.html").render(
        report=report,
        numbers=report.numbers,
        counts={verdict.value: len(report.of(verdict)) for verdict in Verdict},
        pictures=[(name, title, _inlined(_as_json(make(report)), "json")) for name, (title, make) in PICTURES.items()],
        style=_FONT.sub(_embedded_font, "".join(_static(name).read_text() for name in ("app.css", "organizer.css"))),
        scripts=[_static(name).read_text() for name in _SCRIPTS],
    )


def _as_json(content: object) -> bytes:
    return json.dumps(content).encode()


def _embedded_font(found: re.Match[str]) -> str:
    return f'url("{_inlined(_static(found[1]).read_bytes(), "font")}")'


def _inlined(content: bytes, kind: str) -> str:
    """A data: address. charts.js fetches its specification from one as from the server."""
    media_type = {"json": "application/json", "font": "font/woff2"}[kind]
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _static(name: str) -> Traversable:
    return files("server") / "static" / name
