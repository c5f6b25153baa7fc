"""What every model promises, each as a function that raises BrokenError where it is not kept."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from earful.testing.hearing import BrokenError, Hearing, step_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from earful.models.loading import LoadedModel

_SAMPLE_BYTES: Final = 2
_BYTES_PER_MS: Final = 32
_CHUNK_BYTES: Final = 3200
_ODD_BYTES: Final = 2 * 1777
_QUIET: Final = 32
_SEED: Final = 1


async def answers_are_transcripts(model: LoadedModel, audio: bytes) -> None:
    """A chunk is answered with `is_final` False, an end with True; texts and words are what the wire can carry.

    Words come in the order in which they begin, and begin in what was heard.
    """
    hearing = Hearing(model, words=True)
    for chunk in _cut(audio, _CHUNK_BYTES):
        await hearing.hear(chunk)
    begins_ms = [word.start_ms for word in (await hearing.end()).words]
    await hearing.close()
    if begins_ms != sorted(begins_ms):
        raise BrokenError("the end: a word begins before the one that it follows")
    if begins_ms and begins_ms[-1] > len(audio) // _BYTES_PER_MS:
        raise BrokenError("the end: a word begins after all that was heard")


async def cutting_changes_nothing(model: LoadedModel, audio: bytes) -> None:
    """The final does not depend on how the audio was cut into calls, which the load decides."""
    wholes = [await _final(model, _cut(audio, size)) for size in (len(audio), _CHUNK_BYTES, _ODD_BYTES)]
    _same(wholes[0], wholes[1], "in chunks of 100 ms")
    _same(wholes[0], wholes[2], "in chunks of 111 ms")


async def an_end_begins_anew(model: LoadedModel, audio: bytes) -> None:
    """After an end the next utterance is heard as by a new object."""
    hearing = Hearing(model)
    await hearing.utterance(_cut(audio[: len(audio) // 4 * 2], _ODD_BYTES))
    again = await hearing.utterance(_cut(audio, _CHUNK_BYTES))
    await hearing.close()
    _same(await _final(model, _cut(audio, _CHUNK_BYTES)), again, "as a session's second utterance")


async def sessions_do_not_meet(model: LoadedModel, audio: bytes) -> None:
    """Two sessions that speak in turns, or in one step, hear each its own; nor does one show what was heard before.

    What a runtime keeps from one call to the next, such as an estimate of noise, changes few words, and only after some
    others: so each piece of the audio is heard after each, one of them hardly audible, and after noise.
    """
    half = len(audio) // 4 * 2
    speeches = [audio[:half], audio[half:]]
    finals = await (_in_steps if model.is_batch else _in_turns)(model, speeches)
    for speech, final in zip(speeches, finals, strict=True):
        _same(await _final(model, _cut(speech, _CHUNK_BYTES)), final, "beside another session")
    pieces = _pieces(audio)
    firsts: dict[int, str] = {}
    for nth in _each_after_each(len(pieces)):
        final = await _final(model, _cut(pieces[nth], _CHUNK_BYTES))
        _same(firsts.setdefault(nth, final), final, "after another session")


async def little_is_borne(model: LoadedModel, audio: bytes) -> None:
    """An end without audio, a single sample, and silence: all are answered."""
    hearing = Hearing(model)
    for chunks in ((), (audio[:_SAMPLE_BYTES],), _cut(bytes(5 * _CHUNK_BYTES), _CHUNK_BYTES)):
        await hearing.utterance(chunks)
    await hearing.close()


async def a_session_may_break_off(model: LoadedModel, audio: bytes) -> None:
    """One that goes in the middle of an utterance changes nothing for those that come."""
    gone = Hearing(model)
    await gone.hear(audio[:_CHUNK_BYTES])
    await gone.close()
    first, second = [await _final(model, _cut(audio, _CHUNK_BYTES)) for _ in range(2)]
    _same(first, second, "after a session that broke off")


PROMISES: Final[Sequence[Callable[[LoadedModel, bytes], Awaitable[None]]]] = (
    answers_are_transcripts,
    cutting_changes_nothing,
    an_end_begins_anew,
    sessions_do_not_meet,
    little_is_borne,
    a_session_may_break_off,
)
"""Each takes a model that is loaded, and some seconds of speech (16 kHz mono s16le)."""


async def _final(model: LoadedModel, chunks: Sequence[bytes]) -> str:
    hearing = Hearing(model)
    final = await hearing.utterance(chunks)
    await hearing.close()
    return final


async def _in_turns(model: LoadedModel, speeches: Sequence[bytes]) -> list[str]:
    hearings = [Hearing(model, f"check {nth}") for nth in range(len(speeches))]
    for chunks in zip(*(_cut(speech, _CHUNK_BYTES) for speech in speeches), strict=True):
        for hearing, chunk in zip(hearings, chunks, strict=True):
            await hearing.hear(chunk)
    finals = [(await hearing.end()).text for hearing in hearings]
    for hearing in hearings:
        await hearing.close()
    return finals


async def _in_steps(model: LoadedModel, speeches: Sequence[bytes]) -> list[str]:
    hearings = [Hearing(model, f"check {nth}") for nth in range(len(speeches))]
    finals: list[str] = []
    steps = list(zip(*(_cut(speech, _CHUNK_BYTES) for speech in speeches), strict=True))
    for nth, chunks in enumerate(steps, start=1):
        items = [hearing.step(chunk, end=nth == len(steps)) for hearing, chunk in zip(hearings, chunks, strict=True)]
        finals = [answer.text for answer in await step_of(model, items)]
        for hearing, item in zip(hearings, items, strict=True):
            hearing.keep(item)
    return finals


def _pieces(audio: bytes) -> list[bytes]:
    """Its thirds, the first of them hardly audible, and noise."""
    import numpy as np

    third = len(audio) // (3 * _SAMPLE_BYTES) * _SAMPLE_BYTES
    thirds = [audio[nth * third : (nth + 1) * third] for nth in range(3)]
    quiet = (np.frombuffer(thirds[0], "<i2") // _QUIET).astype("<i2").tobytes()
    noise = Random(_SEED).randbytes(third)  # noqa: S311 - it is to be the same each time
    return [*thirds, quiet, noise]


def _each_after_each(number: int) -> Iterator[int]:
    """So many numbers, each once directly after each, itself too: a de Bruijn sequence of pairs, closed."""
    for first in range(number):
        yield first
        for second in range(first + 1, number):
            yield from (first, second)
    yield 0


def _cut(audio: bytes, size: int) -> list[bytes]:
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def _same(expected: str, found: str, how: str) -> None:
    if expected != found:
        raise BrokenError(f"the same audio is {expected!r}, and {how} {found!r}")
