"""When a silent peer is given up, and when not."""

from __future__ import annotations

import pytest

from earful.client.silence import MOST_DOUBLINGS, Patience, Silence, Verdict

PATIENCE = Patience(ping_after_s=1.0, pong_s=2.0, answer_s=60.0)
WELL, PING, GONE = Verdict.WELL, Verdict.PING, Verdict.GONE


def spoken_to() -> Silence:
    """A peer that was told something at 0."""
    silence = Silence(PATIENCE, 0.0)
    silence.spoke(0.0)
    return silence


def look(silence: Silence, now: float, *, is_promised: bool = False) -> Verdict:
    """Judge; nothing is promised unless told otherwise."""
    return silence.look(now, is_promised=is_promised)


def test_nothing_after_a_ping_is_the_end() -> None:
    """2 s after it, and not earlier."""
    silence = spoken_to()
    verdicts = [look(silence, now) for now in (0.5, 0.9, 1.0, 1.1, 2.9, 3.0)]
    assert [WELL, WELL, PING, WELL, WELL, GONE] == verdicts


def test_a_message_is_a_sign_of_life() -> None:
    """The count begins anew: it may have been on its way when what is outstanding was said."""
    silence = spoken_to()
    assert PING is look(silence, 1.0)
    silence.heard(2.9)
    assert [WELL, PING, WELL, GONE] == [look(silence, now) for now in (3.0, 3.9, 5.8, 5.9)]


def test_a_pong_proves_what_was_said_before_the_ping() -> None:
    """Nothing is outstanding then, and nothing is asked, until there is more; what was said after it still is."""
    silence = spoken_to()
    assert PING is look(silence, 1.0)
    silence.ponged(1.0, 1.1)
    assert [WELL, WELL] == [look(silence, now) for now in (2.2, 100.0)]
    silence.spoke(100.0)
    assert [WELL, PING] == [look(silence, now) for now in (100.9, 101.0)]
    silence.spoke(101.0)
    silence.ponged(101.0, 101.1)
    assert [WELL, PING, GONE] == [look(silence, now) for now in (102.0, 102.1, 104.1)]


def test_a_pong_proves_no_more_than_its_ping_asked() -> None:
    """One that was asked for before the newest audio leaves it outstanding, though a later ping is on its way."""
    silence = spoken_to()
    assert PING is look(silence, 1.0)
    silence.heard(1.5)
    silence.spoke(2.0)
    assert PING is look(silence, 2.5)
    silence.ponged(1.0, 3.0)
    assert [WELL, PING, GONE] == [look(silence, now) for now in (3.9, 4.0, 6.0)]


def test_where_nothing_was_said_nothing_is_asked() -> None:
    """However long it lasts, with a pong that nobody waits for any more."""
    silence = Silence(PATIENCE, 0.0)
    silence.ponged(49.9, 50.0)
    assert WELL is look(silence, 100.0)


def test_a_peer_is_sound_while_it_owes_nothing() -> None:
    """Neither an answer nor a sign that it has what was said."""
    silence = spoken_to()
    seen = []
    for now, is_promised in ((1.0, False), (2.0, False), (3.0, True), (4.0, False)):
        look(silence, now, is_promised=is_promised)
        silence.ponged(now, now)
        seen.append(silence.sound_at)
    assert [0.0, 2.0, 2.0, 4.0] == seen


def test_a_promised_answer_has_to_come() -> None:
    """Pongs alone do not do; partials on the way to it do."""
    silence = Silence(PATIENCE, 0.0)
    for now in (10.0, 50.0, 59.9):
        silence.ponged(now, now)
        assert WELL is look(silence, now, is_promised=True)
    silence.ponged(60.0, 60.0)
    assert GONE is look(silence, 60.0, is_promised=True)
    silence.heard(60.0)
    assert WELL is look(silence, 60.5, is_promised=True)


def test_a_promise_counts_from_when_it_is_made() -> None:
    """A pause before it does not."""
    silence = Silence(PATIENCE, 0.0)
    silence.ponged(100.0, 100.0)
    assert WELL is look(silence, 100.0)
    silence.ponged(150.0, 150.0)
    assert WELL is look(silence, 150.0, is_promised=True)
    silence.ponged(160.0, 160.0)
    assert GONE is look(silence, 160.0, is_promised=True)


@pytest.mark.parametrize(("vain_tries", "pong_s"), [(0, 2), (1, 4), (2, 8), (MOST_DOUBLINGS, 32), (99, 32)])
def test_who_gave_up_in_vain_waits_longer(vain_tries: int, pong_s: float) -> None:
    """A server that holds its reading back is well, and would never be heard out."""
    silence = Silence(PATIENCE, 0.0, vain_tries)
    silence.spoke(0.0)
    assert [PING, WELL, GONE] == [look(silence, now) for now in (1.0, 0.9 + pong_s, 1.0 + pong_s)]
