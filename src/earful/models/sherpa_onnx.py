"""sherpa-onnx with a streaming transducer: `--model sherpa-onnx --model-options '{"folder": "..."}'`.

Incremental, and many sessions in one step: the runtime decodes all streams that have enough audio together, and
releases the GIL meanwhile. The folder holds tokens.txt and one encoder, decoder and joiner each.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from earful.models.extra import runtime
from earful.models.inference import Inference
from earful.models.samples import as_floats
from earful.models.types import MODEL_RATE_HZ, TranscriptResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.models.types import Step

_TAIL: Final = np.zeros(MODEL_RATE_HZ * 2 // 3, np.float32)
"""The encoder looks ahead: without some silence after it the last word would not be heard."""


class Hearing:
    """One session's open utterance: the runtime's stream, and the text told of it."""

    __slots__ = ("stream", "told")

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.told = ""

    def tell(self, text: str) -> str:
        """What `text` adds to what was told; nothing where it contradicts it, which the final will put right."""
        if not text.startswith(self.told):
            return ""
        fragment, self.told = text[len(self.told) :], text
        return fragment


class SherpaOnnx:
    """All sessions' recogniser. `threads` are the runtime's own, within one step."""

    _recognizer: ClassVar[Any]
    _inference: ClassVar[Inference]

    @classmethod
    def load(cls, folder: str, *, threads: int = 1, provider: str = "cpu") -> None:
        """Load the weights; raises FileNotFoundError or ValueError for a folder that does not hold them."""
        files = {
            part: str(_only(folder, pattern))
            for part, pattern in (
                ("tokens", "tokens.txt"),
                ("encoder", "*encoder*.onnx"),
                ("decoder", "*decoder*.onnx"),
                ("joiner", "*joiner*.onnx"),
            )
        }
        recognizer = runtime("sherpa_onnx", extra="sherpa-onnx").OnlineRecognizer
        cls._recognizer = recognizer.from_transducer(**files, num_threads=threads, provider=provider)
        cls._inference = Inference()

    def __init__(self, folder: str, *, threads: int = 1, provider: str = "cpu") -> None:
        """Take what `load` takes."""

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """Give each stream its audio and decode all of them together."""
        return await self._inference.complete(self._decode, batch)

    def _decode(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        hearings = [self._hear(item) for item in batch]
        streams = [hearing.stream for hearing in hearings]
        while ready := [stream for stream in streams if self._recognizer.is_ready(stream)]:
            self._recognizer.decode_streams(ready)
        return [self._answer(item, hearing) for item, hearing in zip(batch, hearings, strict=True)]

    def _hear(self, item: Step) -> Hearing:
        hearing: Hearing | None = item.memory
        if hearing is None:
            hearing = item.memory = Hearing(self._recognizer.create_stream())
        if item.audio:
            hearing.stream.accept_waveform(MODEL_RATE_HZ, as_floats(item.audio))
        if item.end:
            hearing.stream.accept_waveform(MODEL_RATE_HZ, _TAIL)
            hearing.stream.input_finished()
        return hearing

    def _answer(self, item: Step, hearing: Hearing) -> TranscriptResult:
        text = str(self._recognizer.get_result(hearing.stream))
        if not item.end:
            return TranscriptResult(hearing.tell(text), is_final=False)
        item.memory = None
        return TranscriptResult(text, is_final=True)


def _only(folder: str, pattern: str) -> Path:
    """The one file of this name; of several precisions the quantised one is not taken."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    found = sorted(Path(folder).glob(pattern))
    precise = [path for path in found if ".int8." not in path.name] or found
    if len(precise) != 1:
        raise ValueError(f"{folder} must hold one {pattern}, and holds {len(precise)}")
    return precise[0]
