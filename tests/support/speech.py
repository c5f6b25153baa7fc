"""Pieces of the sample recording, and what a server has to say to them: 16 kHz mono s16le throughout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.session.ear import every, listen, told

from earful.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

BYTES_PER_MS = 32
CHUNK_BYTES = 3200
_WAV_HEADER_BYTES = 44

SPEECH = sample().read_bytes()[_WAV_HEADER_BYTES:]
"""All of it: six sentences in 31 s."""
SENTENCE = SPEECH[: 4100 * BYTES_PER_MS]
"""The first sentence and the silence that ends it."""
OPENING = SPEECH[: 1500 * BYTES_PER_MS]
"""The beginning of the first sentence: an utterance is open at its end."""


def silence(duration_ms: int) -> bytes:
    """So much digital silence."""
    return bytes(duration_ms * BYTES_PER_MS)


def pieces(pcm: bytes, size_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
    """The audio in chunks."""
    return (pcm[start : start + size_bytes] for start in range(0, len(pcm), size_bytes))


def expected(pcm: bytes) -> list[tuple[int, str, int, int, str]]:
    """The finals of this audio, but for the empty last one, by the pure core alone."""
    return told(listen(pcm, every(CHUNK_BYTES, len(pcm))).finals)


def finals(messages: list[dict[str, Any]]) -> list[tuple[int, str, int, int, str]]:
    """The finals among a server's messages, in the same form; without the empty last one."""
    kept = [m for m in messages if m["type"] == "final" and m["start_ms"] != m["end_ms"]]
    return [(m["index"], m["text"], m["start_ms"], m["end_ms"], m["reason"]) for m in kept]


def of_type(kind: str, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages of one type."""
    return [message for message in messages if message["type"] == kind]


def codes(messages: list[dict[str, Any]]) -> list[str]:
    """The codes of the errors among them."""
    return [message["code"] for message in of_type("error", messages)]
