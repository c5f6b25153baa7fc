"""A stand-in for faster-whisper, whose weights no test has: the calls and answers of its wheel 1.2.1, words by a hash.

Names, arguments and fields are those of `faster_whisper/transcribe.py` there: segments come lazily, each with the
`seek` of its clip in frames of 10 ms, rounded down as floats round; words begin with a space.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

from earful.models.voice import Voice, timed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass
class Word:
    """One word; times in seconds of all the audio."""

    start: float
    end: float
    word: str
    probability: float


@dataclass
class Segment:
    """What was heard of a part of a clip."""

    seek: int
    start: float
    end: float
    text: str
    words: list[Word] | None


class WhisperModel:
    """The weights of a folder."""

    def __init__(
        self, model_size_or_path: str, device: str = "auto", compute_type: str = "default", cpu_threads: int = 0
    ) -> None:
        self.made_with = (model_size_or_path, device, compute_type, cpu_threads)
        self.supported_languages = ["de", "en", "fr"]


class BatchedInferencePipeline:
    """Hears clips of one recording side by side; `batches` are their sizes and languages."""

    def __init__(self, model: WhisperModel) -> None:
        self.model = model
        self.batches: list[tuple[int, str | None]] = []
        self.broken_for: str | None = "none"

    def transcribe(
        self,
        audio: NDArray[np.float32],
        language: str | None = None,
        *,
        multilingual: bool = False,
        beam_size: int = 5,
        vad_filter: bool = True,
        clip_timestamps: Sequence[dict[str, float]] = (),
        batch_size: int = 8,
        word_timestamps: bool = False,
    ) -> tuple[Iterator[Segment], None]:
        """Give the segments, as they are asked for."""
        assert ("float32", False, multilingual) == (audio.dtype.name, vad_filter, language is None)
        assert (1, len(clip_timestamps)) == (beam_size, batch_size)
        if language is not None and language not in self.model.supported_languages:
            raise ValueError(f"'{language}' is not a valid language code")
        self.batches.append((batch_size, language))
        if language == self.broken_for:
            raise RuntimeError("out of memory")
        return (_segment(audio, clip["start"], clip["end"], word_timestamps) for clip in clip_timestamps), None


def _segment(audio: NDArray[np.float32], start: float, end: float, word_timestamps: bool) -> Segment:  # noqa: FBT001 - the runtime's own
    clip = audio[int(start * 16_000) : int(end * 16_000)]
    text = Voice(1).hear((clip * 32768).astype("<i2").tobytes())
    words = [
        Word(start + word.start_ms / 1000, start + word.end_ms / 1000, f" {word.word}", 0.9) for word in timed(text, 1)
    ]
    return Segment(int(start * 100), start, end, f" {text}", words if word_timestamps else None)


module = SimpleNamespace(WhisperModel=WhisperModel, BatchedInferencePipeline=BatchedInferencePipeline)
