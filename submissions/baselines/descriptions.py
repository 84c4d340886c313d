"""What the shipped measures say of themselves in their docstrings, for the pages and the API that list them."""

import ast
import re
from dataclasses import dataclass
from functools import cache

from submissions.baselines import BASELINES, Baseline

_PARTS = ("Formula", "Source", "Cost", "Higher")
_BEGINS = re.compile(rf"^({'|'.join(_PARTS)}): ", re.MULTILINE)
_BY_SLUG = {baseline.slug: baseline for baseline in BASELINES}


@dataclass(frozen=True)
class Description:
    """A measure in words. summary: in one sentence; higher: what a higher value means."""

    summary: str
    formula: str
    source: str
    cost: str
    higher: str


@cache
def description(baseline: Baseline) -> Description:
    """Return what the measure's docstring says. Raises KeyError if it lacks a part."""
    text = ast.get_docstring(ast.parse(baseline.path.read_bytes())) or ""
    summary, *rest = (" ".join(part.split()) for part in _BEGINS.split(text))
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    return Description(summary, *(parts[name] for name in _PARTS))


def find_baseline(slug: str) -> Baseline | None:
    """Return the shipped measure with this name in addresses, if there is one."""
    return _BY_SLUG.get(slug)
