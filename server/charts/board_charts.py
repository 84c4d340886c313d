"""The history of a leaderboard as a Vega-Lite specification, and an entrant's badge as SVG."""

from collections.abc import Sequence
from datetime import datetime

from markupsafe import escape

from server.charts.specifications import Spec, chart, legend_choice, quantity
from submissions.leaderboard.history import Course
from submissions.leaderboard.model import Row
from submissions.results.disclosure import shows_steps
from submissions.storage.site_records import PhaseRecord

_LETTER = 6.6  # of the badge's type, on the average
_PADDING = 12
_NAME = "Gengap"


def history_chart(courses: Sequence[Course], until: datetime) -> Spec:
    """Return a step chart over time with one colour per entrant; a click in the legend highlights one.

    until: the end of the lines, or a tenth after the last step if that is earlier.
    """
    moments = [step.at for course in courses for step in course.steps]
    if moments:
        until = max(max(moments), min(until, max(moments) + (max(moments) - min(moments)) / 10))
    values = [
        {"entrant": course.label, "at": at.isoformat(), "score": score, "measure": name}
        for course in courses
        for at, score, name in [
            *((step.at, step.score, step.name) for step in course.steps),
            (until, course.steps[-1].score, course.steps[-1].name),
        ]
    ]
    labels = list(dict.fromkeys(course.label for course in courses))
    return chart(
        "The scores of the first ten entrants over time.",
        values,
        360,
        params=[legend_choice("entrant")],
        mark={"type": "line", "interpolate": "step-after", "point": True, "strokeWidth": 2},
        encoding={
            "x": {"field": "at", "type": "temporal", "title": "scored"},
            "y": quantity("score", "score", scale={"zero": False}),
            "color": {
                "field": "entrant",
                "type": "nominal",
                "title": None,
                "sort": labels,
                "legend": {"orient": "bottom", "columns": 4, "labelLimit": 160},
            },
            "strokeDash": {"field": "entrant", "type": "nominal", "sort": labels, "legend": None},
            "opacity": {"condition": {"param": "chosen", "value": 1}, "value": 0.12},
            "tooltip": [
                {"field": "entrant", "title": "team"},
                {"field": "measure", "title": "measure"},
                {"field": "score", "title": "score", "format": ".2~f"},
                {"field": "at", "type": "temporal", "title": "at", "format": "%d %b %Y %H:%M"},
            ],
        },
    )


def badge(row: Row, phase: PhaseRecord) -> str:
    """Return a small SVG for other sites with the entrant's rank and score; without styles, which would be blocked."""
    told = (
        f"{'unranked' if row.rank is None else f'rank {row.rank}'} · {row.score:{'g' if shows_steps(phase) else '.2f'}}"
    )
    left, right = (round(len(text) * _LETTER + _PADDING) for text in (_NAME, told))
    width = left + right
    title = escape(f"{row.name}{f' by {row.by}' if row.by else ''}, {phase.competition.title}: {told}")
    text = 'fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11" text-anchor="middle"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<rect width="{width}" height="20" rx="4" fill="#0f5c5c"/>'
        f'<path d="M0 4a4 4 0 0 1 4-4h{left - 4}v20H4a4 4 0 0 1-4-4z" fill="#3a4450"/>'
        f'<text x="{left / 2:g}" y="14" {text}>{_NAME}</text>'
        f'<text x="{left + right / 2:g}" y="14" {text}>{escape(told)}</text></svg>\n'
    )
