"""What the mock models say: words made from the audio by a hash, so they prove what was heard. Pure.

The same audio gives the same words in every process and however it is cut; other audio gives other words.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Final
from zlib import crc32

from earful.models.types import Word

BLOCK_MS: Final = 100
BLOCK_BYTES: Final = 3200
"""One block, 100 ms of 16 kHz mono s16le, is what words are made from."""

_SYLLABLES: Final = tuple(map("".join, product("bdfghjklmnprstvz", "aeio", ("", "n", "s", "r"))))
_KNUTH: Final = 0x9E3779B1
_crc32: Final = crc32


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
        block_hash = _crc32(block)
        low, high = block_hash & 0xFFFF, block_hash >> 16
        return [
            _SYLLABLES[bits >> 24 & 255] + _SYLLABLES[bits >> 16 & 255] + _SYLLABLES[bits >> 8 & 255]
            # The product's lower 32 bits, by halves: nothing on the way needs an integer of more than a word.
            for bits in [low * by + ((high * by & 0xFFFF) << 16) for by in self._multipliers]
        ]


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
