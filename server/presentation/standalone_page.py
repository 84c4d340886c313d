"""Self-contained HTML pages: style, fonts and charts are embedded, so that they can be mailed or opened as files.

Used by `server.presentation.zoo_report_page` and `gengap baselines run --html`.
"""

import base64
import json
import re
from importlib.resources import files
from importlib.resources.abc import Traversable

from jinja2 import Environment, PackageLoader, StrictUndefined

from server.presentation.formats import number, signed

_SCRIPTS = ("vendor/vega.min.js", "vendor/vega-lite.min.js", "vendor/vega-embed.min.js", "charts.js")
_FONT = re.compile(r'url\("(vendor/[^"]+\.woff2)"\)')


def standalone_page(template: str, **content: object) -> str:
    """Return the rendered template; it also gets `style` (the style sheet) and `scripts` (which draw its charts)."""
    environment = Environment(
        loader=PackageLoader("server"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "signed": signed}
    return environment.get_template(template).render(
        **content,
        style=_FONT.sub(_embedded_font, _static("app.css").read_text()),
        scripts=[_static(name).read_text() for name in _SCRIPTS],
    )


def chart_address(specification: object) -> str:
    """Return a specification as a data: URL, from which charts.js fetches it as it does from a server."""
    return _inlined(json.dumps(specification).encode(), "application/json")


def _embedded_font(found: re.Match[str]) -> str:
    return f'url("{_inlined(_static(found[1]).read_bytes(), "font/woff2")}")'


def _inlined(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _static(name: str) -> Traversable:
    return files("server") / "static" / name
