"""`earful serve --model loudness_model:Loudness`, started here, writes how loud each 100 ms of speech was, in dBFS."""

import math
from array import array

from earful.models.types import TranscriptResult


class Loudness:
    """One speaker's ears: `audio` is 16 kHz mono s16le, one object hears one utterance at a time."""

    def __init__(self, block_ms: int = 100) -> None:
        self.block, self.samples, self.said = 16 * block_ms, array("h"), ""

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Answer what this audio adds."""
        self.samples.frombytes(audio)
        before = len(self.said)
        while len(self.samples) >= self.block:
            block, self.samples = self.samples[: self.block], self.samples[self.block :]
            mean_square = sum(sample**2 for sample in block) / self.block
            self.said += " " * bool(self.said) + f"{10 * math.log10(max(mean_square, 1) / 32768**2):.0f}"
        return TranscriptResult(self.said[before:], is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Answer the whole utterance and forget it."""
        text, self.said, self.samples = self.said, "", array("h")
        return TranscriptResult(text, is_final=True)
