"""Moonshine, English: `--model moonshine`, from the extra of that name, whose wheel carries a tiny model.

Its library holds one lock over every transcription in a process and releases the GIL under it: so one thread, one
set of weights, and more workers or processes for more cores. It gives no word times.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from earful.models.draft import GROWTH
from earful.models.extra import runtime
from earful.models.inference import Inference
from earful.models.rerun import RerunModel
from earful.models.samples import as_floats
from earful.models.types import MODEL_RATE_HZ, TranscriptResult

if TYPE_CHECKING:
    from types import ModuleType

_SINGLE_THREAD = "MOONSHINE_ORT_SINGLE_THREAD"
"""The library looks for it when it loads. On two cores a second thread saves a third of the time and doubles the CPU:
it spins while it waits."""

_OPTIONS = {"return_audio_data": "false", "vad_threshold": "0"}
"""Without its own voice detector, whose state goes from one call to the next: a session's words would show what another
had said before."""


class Moonshine(RerunModel):
    """One speaker's. `folder` and `architecture` (TINY, BASE) name other weights than the wheel's."""

    _transcriber: ClassVar[Any]

    @classmethod
    def load(cls, folder: str | None = None, architecture: str = "TINY", *, growth: float = GROWTH) -> None:
        """Load the weights, about 160 MB, in 0.7 s; raises whatever the library raises."""
        del growth
        library = runtime("moonshine_voice", extra="moonshine")
        os.environ.setdefault(_SINGLE_THREAD, "1")
        cls._transcriber = library.Transcriber(
            folder or _shipped(library),
            library.ModelArch[architecture],
            options=_OPTIONS,
        )
        cls.inference = Inference()

    def __init__(self, folder: str | None = None, architecture: str = "TINY", *, growth: float = GROWTH) -> None:
        """Take what `load` takes."""
        del folder, architecture
        super().__init__(growth=growth)

    def recognise(self, audio: bytes) -> TranscriptResult:
        """Hear it whole; the library cuts it into lines, which become one text."""
        transcript = self._transcriber.transcribe_without_streaming(as_floats(audio).tolist(), MODEL_RATE_HZ)
        lines = (line.text.strip() for line in transcript.lines)
        return TranscriptResult(" ".join(line for line in lines if line), is_final=True)


def _shipped(library: ModuleType) -> str:
    return str(library.get_model_path("tiny-en"))
