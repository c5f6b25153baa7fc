"""A model without weights that ships: its words are a hash of the audio, so they prove what was heard.

The same audio gives the same words in every process and however it is cut; other audio gives other
words. Lost, doubled or crossed audio shows in the text. It runs the demo, the tests and the load tests.
"""

from __future__ import annotations

import asyncio
import random

from earful.models.types import SessionInfo, TranscriptResult
from earful.models.voice import Voice, timed


class MockASRModel:
    """Says `words_per_chunk` words for each whole 100 ms of an utterance, chosen by a hash of those samples.

    Each call sleeps `latency_ms` (with 0 it still yields to the loop once). `error_rate` is the share of
    calls, from 0 to 1, that raise RuntimeError; such a call has consumed nothing.
    """

    __slots__ = ("_error_rate", "_latency_s", "_random", "_voice", "_wants_words", "_words_per_chunk")

    def __init__(self, latency_ms: float = 50, words_per_chunk: int = 2, error_rate: float = 0.0) -> None:
        """Raise ValueError for a negative latency or number of words, or a rate that is no share."""
        if latency_ms < 0 or words_per_chunk < 0 or not 0 <= error_rate <= 1:
            message = "latency_ms and words_per_chunk must be 0 or more, error_rate from 0 to 1"
            raise ValueError(message)
        self._latency_s = latency_ms / 1000
        self._words_per_chunk = words_per_chunk
        self._error_rate = error_rate
        # A generator weighs 2.5 KB and a system call; sessions are many and errors mostly off.
        self._random = random.Random() if error_rate else None  # noqa: S311 - no secret in it
        self._voice = Voice(words_per_chunk)
        self._wants_words = False

    async def open(self, info: SessionInfo) -> None:
        """Note whether finals shall carry words with times; without this call they do not."""
        self._wants_words = info.words

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Answer the words of the blocks that `audio` completes; RuntimeError at `error_rate`."""
        await asyncio.sleep(self._latency_s)
        if self._random is not None:
            self._maybe_fail(self._random)
        return TranscriptResult(self._voice.hear(audio), is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Answer all words of the utterance and forget them; RuntimeError at `error_rate`."""
        await asyncio.sleep(self._latency_s)
        if self._random is not None:
            self._maybe_fail(self._random)
        text = self._voice.finish()
        return TranscriptResult(text, True, timed(text, self._words_per_chunk) if self._wants_words else ())

    def _maybe_fail(self, generator: random.Random) -> None:
        if generator.random() < self._error_rate:
            message = "the mock model was told to fail"
            raise RuntimeError(message)
