"""A model without weights that ships: its words are a hash of the audio, so they prove what was heard.

The same audio gives the same words in every process and however it is cut; other audio gives other
words. Lost, doubled or crossed audio shows in the text. It runs the demo, the tests and the load tests.
"""

from __future__ import annotations

import asyncio
import random
from itertools import product
from zlib import crc32

from earful.models.types import SessionInfo, TranscriptResult, Word

BLOCK_MS = 100
BLOCK_BYTES = 3200
"""One block, 100 ms of 16 kHz mono s16le, is what words are made from."""

_SYLLABLES = tuple(map("".join, product("bdfghjklmnprstvz", "aeio", ("", "n", "s", "r"))))
_KNUTH = 0x9E3779B1


class MockASRModel:
    """Says `words_per_chunk` words for each whole 100 ms of an utterance, chosen by a hash of those samples.

    Each call sleeps `latency_ms` (with 0 it still yields to the loop once). `error_rate` is the share of
    calls, from 0 to 1, that raise RuntimeError; such a call has consumed nothing.
    """

    __slots__ = ("_error_rate", "_fragments", "_latency_s", "_multipliers", "_pending", "_random", "_wants_words")

    def __init__(self, latency_ms: float = 50, words_per_chunk: int = 2, error_rate: float = 0.0) -> None:
        """Raise ValueError for a negative latency or number of words, or a rate that is no share."""
        if latency_ms < 0 or words_per_chunk < 0 or not 0 <= error_rate <= 1:
            message = "latency_ms and words_per_chunk must be 0 or more, error_rate from 0 to 1"
            raise ValueError(message)
        self._latency_s = latency_ms / 1000
        # Odd, so each is a permutation of the hash: words of one block differ, and none loses a bit of it.
        self._multipliers = tuple(2 * nth * _KNUTH + 1 & 0xFFFFFFFF for nth in range(words_per_chunk))
        self._error_rate = error_rate
        # A generator weighs 2.5 KB and a system call; sessions are many and errors mostly off.
        self._random = random.Random() if error_rate else None  # noqa: S311 - no secret in it
        self._pending = b""
        self._fragments: list[str] = []
        self._wants_words = False

    async def open(self, info: SessionInfo) -> None:
        """Note whether finals shall carry words with times; without this call they do not."""
        self._wants_words = info.words

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Answer the words of the blocks that `audio` completes; RuntimeError at `error_rate`."""
        await asyncio.sleep(self._latency_s)
        if self._random is not None:
            self._maybe_fail(self._random)
        if self._pending:
            audio = self._pending + audio
        whole = len(audio) - len(audio) % BLOCK_BYTES
        self._pending = audio[whole:]
        text = " ".join(self._say(audio, whole)) if whole else ""
        if text and self._fragments:
            text = " " + text
        if text:
            self._fragments.append(text)
        return TranscriptResult(text, is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Answer all words of the utterance and forget them; RuntimeError at `error_rate`."""
        await asyncio.sleep(self._latency_s)
        if self._random is not None:
            self._maybe_fail(self._random)
        text = "".join(self._fragments)
        self._fragments = []
        self._pending = b""
        return TranscriptResult(text, is_final=True, words=self._timed(text) if self._wants_words else ())

    def _maybe_fail(self, generator: random.Random) -> None:
        if generator.random() < self._error_rate:
            message = "the mock model was told to fail"
            raise RuntimeError(message)

    def _say(self, audio: bytes, whole: int) -> list[str]:
        words = []
        for start in range(0, whole, BLOCK_BYTES):
            # crc32 costs a third of blake2b here, and this is most of what the mock costs.
            block_hash = crc32(audio[start : start + BLOCK_BYTES])
            for multiplier in self._multipliers:
                bits = block_hash * multiplier
                words.append(_SYLLABLES[bits >> 24 & 255] + _SYLLABLES[bits >> 16 & 255] + _SYLLABLES[bits >> 8 & 255])
        return words

    def _timed(self, text: str) -> tuple[Word, ...]:
        share = len(self._multipliers)
        return tuple(
            Word(word, nth * BLOCK_MS // share, (nth + 1) * BLOCK_MS // share, _confidence(word))
            for nth, word in enumerate(text.split())
        )


def _confidence(word: str) -> float:
    return 0.5 + crc32(word.encode()) % 500 / 1000
