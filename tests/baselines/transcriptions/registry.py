"""What is known of a measure's agreement with its publication: the type of an entry of `TRANSCRIPTIONS`."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.baselines.transcriptions.plain import Case

Formula = Callable[[Case], float]


@dataclass(frozen=True)
class Transcription:
    """A definition written anew from its publication, with torch's generator where the definition draws.

    formula: what the measure has to give, to 1e-6 of the value. source: the publication, with the equation or section.
    choices: what the publication leaves open, decided in the formula as in the measure. published: what the publication
    or its program says where the measure means to differ from it, and reason: why it does; agreement is then a rank
    correlation.
    """

    formula: Formula
    source: str
    choices: str = ""
    published: Formula | None = None
    reason: str = ""
