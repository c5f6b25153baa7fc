"""A stand-in for sherpa-onnx, whose weights no test has: the calls and answers of its wheel 2.0.1, words by a hash.

Names, arguments and order are those of `sherpa_onnx/online_recognizer.py` there and of its streaming example. It
decodes 100 ms a step, only where there is that much audio, and refuses what the runtime would crash on.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from earful.models.voice import BLOCK_BYTES, Voice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_STEP_SAMPLES = BLOCK_BYTES // 2


class OnlineStream:
    """One utterance's audio and how far it is decoded."""

    def __init__(self) -> None:
        self.samples: NDArray[np.float32] = np.zeros(0, np.float32)
        self.text = ""
        self.voice = Voice(1)
        self.is_finished = False

    def accept_waveform(self, sample_rate: float, waveform: NDArray[np.float32]) -> None:
        """Take samples from -1 to 1."""
        assert (16_000, "float32", False) == (sample_rate, waveform.dtype.name, self.is_finished)
        self.samples = np.concatenate([self.samples, waveform])

    def input_finished(self) -> None:
        """No more comes."""
        self.is_finished = True


class OnlineRecognizer:
    """All streams' recogniser; `made_with` is what it was made with, `steps` how many streams each step had."""

    def __init__(self, made_with: dict[str, Any]) -> None:
        self.made_with = made_with
        self.steps: list[int] = []

    @classmethod
    def from_transducer(
        cls, tokens: str, encoder: str, decoder: str, joiner: str, num_threads: int = 2, provider: str = "cpu"
    ) -> OnlineRecognizer:
        """Make one of these files."""
        return cls({"files": (tokens, encoder, decoder, joiner), "num_threads": num_threads, "provider": provider})

    def create_stream(self) -> OnlineStream:
        """Begin an utterance."""
        return OnlineStream()

    def is_ready(self, s: OnlineStream) -> bool:
        """Whether there is enough for a step."""
        return len(s.samples) >= _STEP_SAMPLES

    def decode_streams(self, ss: Sequence[OnlineStream]) -> None:
        """One step of each; digital silence has no words."""
        self.steps.append(len(ss))
        for stream in ss:
            assert self.is_ready(stream)
            block, stream.samples = stream.samples[:_STEP_SAMPLES], stream.samples[_STEP_SAMPLES:]
            if block.any():
                stream.text += stream.voice.hear((block * 32768).astype("<i2").tobytes())

    def get_result(self, s: OnlineStream) -> str:
        """The text so far."""
        return s.text.strip()


module = SimpleNamespace(OnlineRecognizer=OnlineRecognizer)
