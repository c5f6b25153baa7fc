"""A model without weights that ships: its words are a hash of the audio, so they prove what was heard.

The same audio gives the same words in every process and however it is cut; other audio gives other
words. Lost, doubled or crossed audio shows in the text. It runs the demo, the tests and the load tests.
"""

from __future__ import annotations

import asyncio
import random
from functools import cache
from itertools import product
from zlib import crc32

from earful.models.types import SessionInfo, TranscriptResult, Word

BLOCK_MS = 100
BLOCK_BYTES = 3200
"""One block, 100 ms of 16 kHz mono s16le, is what words are made from."""

_SYLLABLES = tuple(map("".join, product("bdfghjklmnprstvz", "aeio", ("", "n", "s", "r"))))
_KNUTH = 0x9E3779B1


class Voice:
    """One utterance's words so far, and the audio that has not given any yet.

    Says `words_per_chunk` words for each whole 100 ms from the utterance's first sample, by a hash of those samples.
    """

    __slots__ = ("_fragments", "_multipliers", "_pending")

    def __init__(self, words_per_chunk: int) -> None:
        """Begin an utterance."""
        self._multipliers = _multipliers(words_per_chunk)
        self._pending = b""
        self._fragments: list[str] = []

    def hear(self, audio: bytes) -> str:
        """The words of the blocks that `audio` completes, with a space before them where others came earlier."""
        if self._pending:
            audio = self._pending + audio
        if len(audio) == BLOCK_BYTES:  # Most chunks are just this, and need no cutting.
            self._pending = b""
            text = " ".join(self._say(audio))
        else:
            whole = len(audio) - len(audio) % BLOCK_BYTES
            self._pending = audio[whole:]
            text = " ".join(
                [word for at in range(0, whole, BLOCK_BYTES) for word in self._say(audio[at : at + BLOCK_BYTES])]
            )
        if text and self._fragments:
            text = " " + text
        if text:
            self._fragments.append(text)
        return text

    def finish(self) -> str:
        """All words of the utterance, which are then forgotten."""
        text = "".join(self._fragments)
        self._fragments = []
        self._pending = b""
        return text

    def _say(self, block: bytes) -> list[str]:
        # crc32 costs a third of blake2b here, and this is most of what the mock costs.
        block_hash = crc32(block)
        return [
            _SYLLABLES[bits >> 24 & 255] + _SYLLABLES[bits >> 16 & 255] + _SYLLABLES[bits >> 8 & 255]
            for bits in [block_hash * multiplier for multiplier in self._multipliers]
        ]


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


def timed(text: str, words_per_chunk: int) -> tuple[Word, ...]:
    """The words of an utterance, those of a block sharing its 100 ms."""
    return tuple(
        Word(word, nth * BLOCK_MS // words_per_chunk, (nth + 1) * BLOCK_MS // words_per_chunk, _confidence(word))
        for nth, word in enumerate(text.split())
    )


def _confidence(word: str) -> float:
    return 0.5 + crc32(word.encode()) % 500 / 1000


@cache
def _multipliers(words_per_chunk: int) -> tuple[int, ...]:
    # Odd, so each is a permutation of the hash: words of one block differ, and none loses a bit of it.
    return tuple(2 * nth * _KNUTH + 1 & 0xFFFFFFFF for nth in range(words_per_chunk))
