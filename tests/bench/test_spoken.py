"""Which chunks count: those that a listening session answers at once, whatever it listens by."""

from __future__ import annotations

import pytest
from tests.session.ear import Ear
from tests.support.speech import BYTES_PER_MS, SPEECH, silence

from earful.audio.pcm import Format
from earful.bench.spoken import spoken_chunks
from earful.bench.voice import Turns
from earful.session.rules import ListeningRules

SETTLED_MS = 2000
HEARD_MS = 64_000


def answered(chunks: list[bytes], rules: ListeningRules) -> list[bool]:
    """Whether each chunk is covered by an answer as soon as it is heard."""
    ear, at_once = Ear(Format(), rules), []
    for number, chunk in enumerate(chunks):
        ear.hear(number, chunk)
        answers = [*(partial.sequence for partial in ear.partials[-1:]), *(final.sequence for final in ear.finals[-1:])]
        newest = max(answers, default=-1)
        at_once.append(newest == number)
    return at_once


@pytest.mark.parametrize(
    ("chunk_ms", "rules"),
    [
        (100, ListeningRules()),
        (100, ListeningRules(aggressiveness=0)),
        (100, ListeningRules(aggressiveness=3)),
        (100, ListeningRules(frame_ms=10)),
        (300, ListeningRules(frame_ms=30)),
        (200, ListeningRules()),
        (500, ListeningRules()),
    ],
)
def test_what_counts_is_answered_at_once(chunk_ms: int, rules: ListeningRules) -> None:
    """Spoken in a loop from several offsets, by the mock, which answers every 100 ms of speech."""
    size = chunk_ms * BYTES_PER_MS
    spoken = spoken_chunks(SPEECH, chunk_ms)
    number = len(spoken)
    for offset in range(0, number, max(1, number // 3)):
        order = [(offset + nth) % number for nth in range(HEARD_MS // chunk_ms)]
        at_once = answered([SPEECH[at * size : (at + 1) * size] for at in order], rules)
        late = [at for nth, at in enumerate(order) if spoken[at] and nth * chunk_ms >= SETTLED_MS and not at_once[nth]]
        assert [] == late


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_what_counts_in_turns_is_answered_at_once(number: int) -> None:
    """Silence between them, so that an utterance opens in the middle of a sentence."""
    turns, size = Turns(number, 0.5, 100), 100 * BYTES_PER_MS
    spoken = spoken_chunks(SPEECH, 100)
    order = [nth % len(spoken) for nth in range(HEARD_MS // 100)]
    chunks = [SPEECH[at * size : (at + 1) * size] if turns.is_on(nth) else silence(100) for nth, at in enumerate(order)]
    at_once = answered(chunks, ListeningRules())
    counted = [nth for nth, at in enumerate(order) if spoken[at] and turns.is_settled(nth)]
    assert len(counted) > 100
    assert [] == [nth for nth in counted if nth * 100 >= SETTLED_MS and not at_once[nth]]


def test_enough_of_the_sample_counts() -> None:
    """Most of what is spoken in it: 24 of its 31 s are."""
    assert 0.6 < sum(spoken_chunks(SPEECH, 100)) / (len(SPEECH) / BYTES_PER_MS / 100) < 0.8


@pytest.mark.parametrize(("pcm", "chunks"), [(silence(1000), 10), (silence(1050), 10), (silence(50), 0), (b"", 0)])
def test_silence_does_not_count(pcm: bytes, chunks: int) -> None:
    """One answer for each whole chunk."""
    assert (False,) * chunks == spoken_chunks(pcm, 100)
