"""A session's account: every chunk that counts once, and finals in time."""

from __future__ import annotations

import pytest
from tests.support.speech import SPEECH

from earful.bench.recording import Recording
from earful.bench.scenario.talk import Talk
from earful.bench.scenario.timeline import Timeline
from earful.bench.voice import Voice

RECORDING = Recording(SPEECH, 100)
VOICE = Voice(RECORDING, 0)
SPOKEN = [chunk for chunk in range(3, 40) if VOICE.is_spoken(chunk)]


def talk(seconds: float = 10.0, first_due_s: float = 0.0, sent: int = 40) -> tuple[Talk, Timeline]:
    """One that has sent so many chunks of 100 ms."""
    line = Timeline(0.0, 1.0, seconds)
    account = Talk(line, VOICE, first_due_s, 0.1)
    account.sent = sent
    return account, line


def owed(line: Timeline) -> int:
    """Chunks that count, so far."""
    return sum(cell.owed for cell in line.cells)


def test_an_answer_settles_all_before_it_where_they_were_due() -> None:
    """Each in its own cell, however late."""
    account, line = talk()
    account.answer(20, 2.0)
    account.answer(40, 9.0)
    assert len(SPOKEN) == owed(line)
    assert sum(chunk < 10 for chunk in SPOKEN) == line.cells[0].owed == line.cells[0].latencies.count()
    assert 0 == line.cells[8].owed
    assert pytest.approx(9.0 - SPOKEN[-1] * 0.1, rel=0.02) == line.cells[3].latencies.max_s or SPOKEN[-1] < 30


def test_an_answer_counts_once_and_not_for_what_was_not_sent() -> None:
    """A server may say what it likes."""
    account, line = talk(sent=20)
    account.answer(1000, 2.0)
    account.answer(20, 3.0)
    account.answer(5, 3.0)
    assert sum(chunk < 20 for chunk in SPOKEN) == owed(line)


def test_the_first_chunks_do_not_count() -> None:
    """A detector that has heard nothing yet does not believe in them, though the recording is in a word there."""
    account, line = talk(sent=3)
    account.answer(3, 0.3)
    assert 0 == owed(line)


def test_what_is_not_answered_is_owed_until_it_is_closed() -> None:
    """Then it counts as owed, and no latency."""
    account, line = talk()
    assert not account.is_settled()
    account.close()
    assert account.is_settled()
    assert (len(SPOKEN), 0) == (owed(line), sum(cell.latencies.count() for cell in line.cells))
    account.close()
    assert len(SPOKEN) == owed(line)


def test_what_is_forgotten_counts_neither_way() -> None:
    """Of a session that leaves on purpose."""
    account, line = talk()
    account.forget()
    assert (True, 0) == (account.is_settled(), owed(line))


def test_what_was_due_outside_the_timeline_does_not_count() -> None:
    """Before it, or after its end."""
    account, line = talk(seconds=1.0, first_due_s=1.0)
    assert account.is_settled()
    account.answer(20, 3.0)
    account.final(0, 1000, 2.5)
    account.close()
    assert (0, 0.0) == (owed(line), line.cells[0].good_s)


@pytest.mark.parametrize(("now_s", "good_s"), [(3.2, 2.0), (5.0, 2.0), (5.1, 0.0)])
def test_a_final_is_good_within_two_seconds_of_its_last_words_chunk(now_s: float, good_s: float) -> None:
    """In the cell in which that was due."""
    account, line = talk()
    account.final(1000, 3000, now_s)
    assert good_s == line.cells[3].good_s == sum(cell.good_s for cell in line.cells)
