"""A plain model from a runtime that only knows whole recordings: it hears each utterance once when it has ended.

While the utterance is open it is run again as `Draft` says, and only where the runtime has nothing else to do: a final
waits for at most the runs that have begun, and an overloaded model gives up fragments before it is late with a final.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from earful.models.draft import GROWTH, Draft
from earful.models.types import SessionInfo, TranscriptResult

if TYPE_CHECKING:
    from earful.models.inference import Inference

_NOTHING = TranscriptResult("", is_final=False)
_UNKNOWN = SessionInfo("")


class RerunModel:
    """What adapters of such runtimes have in common; they add `load`, which sets `inference`, and `recognise`."""

    inference: ClassVar[Inference]

    def __init__(self, *, growth: float = GROWTH) -> None:
        """Spend at most `growth / (growth - 1)` times the utterance's own cost on its fragments."""
        self._draft = Draft(growth)
        self.info = _UNKNOWN

    def recognise(self, audio: bytes) -> TranscriptResult:
        """The transcript of `audio` (16 kHz mono s16le), `is_final` True. Called in a thread; may raise anything."""
        raise NotImplementedError

    async def open(self, info: SessionInfo) -> None:
        """Note for whom it works."""
        self.info = info

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Keep `audio`; now and then answer the words that have become certain."""
        self._draft.hear(audio)
        if not self._draft.is_due or self.inference.is_busy:
            return _NOTHING
        heard = await self.inference.run(self.recognise, self._draft.take())
        return TranscriptResult(self._draft.tell(heard.text), is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Hear the whole utterance, and be ready for the next."""
        audio = self._draft.finish()
        if not audio:
            return TranscriptResult("", is_final=True)
        return await self.inference.run(self.recognise, audio)
