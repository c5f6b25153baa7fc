"""The ledger: every spoken chunk of the window counts once, with the time from its due moment to its answer."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.speech import SPEECH

from earful.bench.ledger import BOUNDS_S, Account, Latencies, Ledger
from earful.bench.recording import Recording
from earful.bench.voice import Voice

CHUNK_S = 0.1
VOICE = Voice(Recording(SPEECH, 100), 7)
SPOKEN = [chunk for chunk in range(300) if VOICE.is_spoken(chunk)]
FIRST = SPOKEN[0]


def account(window: range, sent: int, *, first_due_s: float = 100.0) -> tuple[Ledger, Account]:
    """An account with so many chunks sent."""
    ledger = Ledger(window, CHUNK_S)
    line = Account(ledger, VOICE, first_due_s)
    line.sent = sent
    return ledger, line


def test_latency_counts_from_when_a_chunk_was_due() -> None:
    """Not from when it was sent: nobody asks."""
    ledger, line = account(range(300), FIRST + 1)
    line.answer(FIRST + 1, 100 + FIRST * CHUNK_S + 0.057)
    assert 1 == ledger.latencies.count()
    assert pytest.approx(0.057) == ledger.latencies.max_s


def test_an_answer_covers_all_before_it() -> None:
    """Two chunks merged into one answer count each, the older with the longer time."""
    ledger, line = account(range(300), FIRST + 2)
    line.answer(FIRST + 2, 100 + (FIRST + 1) * CHUNK_S + 0.05)
    assert (2, 2) == (ledger.latencies.count(), ledger.expected)
    assert pytest.approx(0.15) == ledger.latencies.max_s


def test_only_the_window_counts() -> None:
    """What was spoken before it and after it is answered, and no figure."""
    window = range(SPOKEN[3], SPOKEN[10])
    ledger, line = account(window, 300)
    assert not line.is_settled()
    line.answer(window.stop, 150.0)
    assert line.is_settled()
    line.answer(300, 150.0)
    line.close()
    assert (7, 7) == (ledger.expected, ledger.latencies.count())


@given(answers=st.lists(st.integers(-1, 400)), sent=st.integers(0, 300), begin=st.integers(0, 300))
def test_every_spoken_chunk_counts_once(answers: list[int], sent: int, begin: int) -> None:
    """Whatever a server answers: repeated, in no order, beyond what was sent."""
    window = range(begin, 300)
    ledger, line = account(window, sent)
    for sequence in answers:
        line.answer(sequence, 200.0)
    due = [chunk for chunk in SPOKEN if chunk < sent and chunk in window]
    covered = [chunk for chunk in due if chunk < max(answers, default=0)]
    assert (covered == due) == line.is_settled()
    line.close()
    assert (len(covered), len(due)) == (ledger.latencies.count(), ledger.expected)
    line.close()
    assert len(due) == ledger.expected


@given(seconds=st.lists(st.floats(0.001, 60), min_size=1), share=st.sampled_from([0.5, 0.95, 0.99]))
def test_quantiles_are_true_to_a_hundredth(seconds: list[float], share: float) -> None:
    """Between the neighbours of the exact one, as far as buckets tell them apart."""
    latencies = Latencies()
    for duration in seconds:
        latencies.observe(duration)
    ordered = sorted(seconds)
    wanted = share * len(seconds)
    low, high = ordered[max(0, int(wanted) - 1)], ordered[min(len(seconds) - 1, int(wanted))]
    found = latencies.quantile_ms(share)
    assert found is not None
    assert low * 1000 / 1.0101 <= found <= high * 1000 * 1.0101
    assert found <= max(seconds) * 1000


def test_nothing_observed_has_no_quantiles() -> None:
    """Not 0 ms, which would be good."""
    assert (0, None, []) == (Latencies().count(), Latencies().quantile_ms(0.99), Latencies().buckets())


def test_buckets_are_those_of_every_run() -> None:
    """So that the counts of two runs can be added; what is longer than all of them is in the last."""
    latencies = Latencies()
    for seconds in (0.00001, 0.05, 0.0501, 500.0):
        latencies.observe(seconds)
    buckets = latencies.buckets()
    assert (0.1, 1) == buckets[0]
    assert (round(BOUNDS_S[-1] * 1000, 4), 1) == buckets[-1]
    assert 4 == sum(count for _, count in buckets)
    assert all(1.0099 < high / low < 1.0101 for low, high in pairwise(BOUNDS_S))
