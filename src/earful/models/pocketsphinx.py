"""PocketSphinx: `--model pocketsphinx`, from the extra of that name, whose wheel carries an English model.

Truly incremental, with word times and confidences; of 2010's accuracy. It holds the GIL while it decodes, so it is fed
little by little. Each open utterance has a decoder of its own, about 100 MB; up to eight set free wait for the next.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Final

from earful.models.agreement import Agreement
from earful.models.extra import runtime
from earful.models.inference import Inference
from earful.models.types import MODEL_RATE_HZ, SessionInfo, TranscriptResult, Word

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES: Final = MODEL_RATE_HZ * 2 // 50
"""20 ms: other threads get their turn after each, and however audio is cut the decoder hears the same pieces."""
_TELL_EVERY_BLOCKS: Final = 20
_MOST_IDLE: Final = 8
_FRAME_MS: Final = 10
_DEFAULTS: Final = {"fwdflat": False, "maxhmmpf": 3000, "ds": 2}
"""Every second frame, fewer hypotheses, no second pass: a quarter of the time for somewhat more errors."""


class PocketSphinx:
    """One speaker's. Options are PocketSphinx's own, such as `hmm`, `lm` and `dict` for another model."""

    inference: ClassVar[Inference]
    _idle: ClassVar[deque[Any]]
    _means: ClassVar[str]

    @classmethod
    def load(cls, **config: object) -> None:
        """Make the first decoder, in 0.4 s; raises whatever the library raises."""
        first = _decoder(config)
        cls._means = first.get_cmn(False)
        cls._idle = deque([first], maxlen=_MOST_IDLE)
        cls.inference = Inference()

    def __init__(self, **config: object) -> None:
        """Take what `load` takes."""
        self._config = config
        self._wants_words = False
        self._decoder: Any = None
        self._rest = bytearray()
        self._reset()

    async def open(self, info: SessionInfo) -> None:
        """Note whether finals shall carry words with times."""
        self._wants_words = info.words

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Hear `audio`; answer the words that have become certain."""
        return TranscriptResult(await self.inference.run(self._hear, audio), is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Decode to the end, and leave the decoder to whoever speaks next."""
        return await self.inference.run(self._finish)

    def _hear(self, audio: bytes) -> str:
        if self._decoder is None:
            self._decoder = self._started()
        self._rest += audio
        return "".join([self._decode(block) for block in self._take_blocks()])

    def _decode(self, block: bytes) -> str:
        self._decoder.process_raw(block, False, False)
        self._blocks += 1
        return "" if self._blocks % _TELL_EVERY_BLOCKS else self._agreement.tell(self._text())

    def _finish(self) -> TranscriptResult:
        if self._decoder is None:
            return TranscriptResult("", is_final=True)
        if self._rest:
            self._decoder.process_raw(bytes(self._rest), False, False)
        self._decoder.end_utt()
        answer = TranscriptResult(self._text(), True, tuple(self._words()) if self._wants_words else ())
        self._idle.append(self._decoder)
        self._reset()
        return answer

    def _started(self) -> Any:
        try:
            decoder = self._idle.pop()
        except IndexError:
            decoder = _decoder(self._config)
        # As new: noise and loudness of what it heard last must not be heard in what comes, which may be another's.
        decoder.reinit_feat()
        decoder.set_cmn(self._means)
        decoder.start_utt()
        return decoder

    def _reset(self) -> None:
        self._decoder = None
        self._agreement = Agreement()
        self._rest = bytearray()
        self._blocks = 0

    def _take_blocks(self) -> Iterator[bytes]:
        whole = len(self._rest) - len(self._rest) % _BLOCK_BYTES
        for at in range(0, whole, _BLOCK_BYTES):
            yield bytes(self._rest[at : at + _BLOCK_BYTES])
        del self._rest[:whole]

    def _text(self) -> str:
        hypothesis = self._decoder.hyp()
        return "" if hypothesis is None else str(hypothesis.hypstr)

    def _words(self) -> Iterator[Word]:
        for part in self._decoder.seg():
            if part.word[0] not in "<[+":  # Those are silence and noise.
                start_ms, end_ms = part.start_frame * _FRAME_MS, (part.end_frame + 1) * _FRAME_MS
                yield Word(part.word.partition("(")[0], start_ms, end_ms, min(1.0, part.prob))


def _decoder(config: dict[str, object]) -> Any:
    library = runtime("pocketsphinx", extra="pocketsphinx")
    return library.Decoder(samprate=MODEL_RATE_HZ, loglevel="FATAL", **{**_DEFAULTS, **config})
