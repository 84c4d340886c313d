"""Pages that need nothing else, to be kept, mailed or opened without a server: style, fonts, charts all inside.

`server.presentation.zoo_report_page` and `gengap baselines run --html` make theirs with it.
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
    """The template with this content; it also gets `style` (a style sheet) and `scripts` (that draw its charts)."""
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
    """A data: address. charts.js fetches its specification from one as from the server."""
    return _inlined(json.dumps(specification).encode(), "application/json")


def _embedded_font(found: re.Match[str]) -> str:
    return f'url("{_inlined(_static(found[1]).read_bytes(), "font/woff2")}")'


def _inlined(content: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


def _static(name: str) -> Traversable:
    return files("server") / "static" / name
