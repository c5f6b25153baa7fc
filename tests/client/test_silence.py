"""When a silent peer is given up, and when not."""

from __future__ import annotations

import pytest

from earful.client.silence import MOST_DOUBLINGS, Patience, Silence, Verdict

PATIENCE = Patience(ping_after_s=1.0, pong_s=2.0, answer_s=60.0)
WELL, PING, GONE = Verdict.WELL, Verdict.PING, Verdict.GONE


def look(silence: Silence, now: float, *, is_owed: bool = True, is_promised: bool = False) -> Verdict:
    """Judge; audio is outstanding unless told otherwise."""
    return silence.look(now, is_owed=is_owed, is_promised=is_promised)


def test_nothing_after_a_ping_is_the_end() -> None:
    """2 s after it, and not earlier."""
    silence = Silence(PATIENCE, 0.0)
    verdicts = [look(silence, now) for now in (0.5, 0.9, 1.0, 1.1, 2.9, 3.0)]
    assert [WELL, WELL, PING, WELL, WELL, GONE] == verdicts


@pytest.mark.parametrize("word", ["heard", "ponged"])
def test_anything_at_all_is_a_sign_of_life(word: str) -> None:
    """A message or a pong, and the count begins anew."""
    silence = Silence(PATIENCE, 0.0)
    assert PING is look(silence, 1.0)
    getattr(silence, word)(2.9)
    assert [WELL, PING, WELL, GONE] == [look(silence, now) for now in (3.0, 3.9, 5.8, 5.9)]


def test_where_nothing_is_owed_nothing_is_asked() -> None:
    """However long it lasts; what is said after it has its time."""
    silence = Silence(PATIENCE, 0.0)
    assert PING is look(silence, 1.0)
    assert WELL is look(silence, 100.0, is_owed=False)
    assert [WELL, PING, GONE] == [look(silence, now) for now in (100.9, 101.0, 103.0)]


def test_a_promised_answer_has_to_come() -> None:
    """Pongs alone do not do; partials on the way to it do."""
    silence = Silence(PATIENCE, 0.0)
    for now in (10.0, 50.0, 59.9):
        silence.ponged(now)
        assert WELL is look(silence, now, is_promised=True)
    silence.ponged(60.0)
    assert GONE is look(silence, 60.0, is_promised=True)
    silence.heard(60.0)
    assert WELL is look(silence, 60.5, is_promised=True)


def test_a_promise_counts_from_when_it_is_made() -> None:
    """A pause before it does not."""
    silence = Silence(PATIENCE, 0.0)
    silence.ponged(100.0)
    assert WELL is look(silence, 100.0)
    silence.ponged(150.0)
    assert WELL is look(silence, 150.0, is_promised=True)
    silence.ponged(160.0)
    assert GONE is look(silence, 160.0, is_promised=True)


@pytest.mark.parametrize(("vain_tries", "pong_s"), [(0, 2), (1, 4), (2, 8), (MOST_DOUBLINGS, 32), (99, 32)])
def test_who_gave_up_in_vain_waits_longer(vain_tries: int, pong_s: float) -> None:
    """A server that holds its reading back is well, and would never be heard out."""
    silence = Silence(PATIENCE, 0.0, vain_tries)
    assert [PING, WELL, GONE] == [look(silence, now) for now in (1.0, 0.9 + pong_s, 1.0 + pong_s)]
