"""Every shipped measure's definition, written anew from its publication: measure → transcription."""

from collections.abc import Mapping

from tests.baselines.transcriptions import (
    competition,
    extended,
    flatness,
    gradients,
    margins,
    outputs_and_references,
    representations,
    robustness,
    size_and_norms,
    spectra_modules_memorisation,
)
from tests.baselines.transcriptions.registry import Transcription

TRANSCRIPTIONS: Mapping[str, Transcription] = {
    **size_and_norms.TRANSCRIPTIONS,
    **outputs_and_references.TRANSCRIPTIONS,
    **flatness.TRANSCRIPTIONS,
    **gradients.TRANSCRIPTIONS,
    **margins.TRANSCRIPTIONS,
    **robustness.TRANSCRIPTIONS,
    **representations.TRANSCRIPTIONS,
    **spectra_modules_memorisation.TRANSCRIPTIONS,
    **extended.TRANSCRIPTIONS,
    **competition.TRANSCRIPTIONS,
}
