"""When a body comes too slowly: judged by what came of late, in the time in which the server was ready for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from earful.transport.body_pace import LEAST_BYTES_PER_S, LONGEST_LOOK_S, PATIENCE_S, WINDOW_S, BodyPace

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKS_PER_S = 4
HOUR = 3600.0
PLENTY = 100_000_000


def ends_at(
    comes: Callable[[float], float], is_held_up: Callable[[float], bool] = lambda _: False, until_s: float = 300.0
) -> float | None:
    """When a body is given up of which `comes(now)` bytes come between two looks; None where it never is."""
    pace = BodyPace()
    for look in range(int(until_s * LOOKS_PER_S)):
        now = look / LOOKS_PER_S
        pace.came(int(comes(now)))
        if pace.is_too_slow(HOUR + now, held_up=is_held_up(now)):
            return now
    return None


@pytest.mark.parametrize("stops_at", [0.25, 7.0, 29.0, 30.0, 40.0, 43.75, 100.0])
@pytest.mark.parametrize("in_all", [PLENTY, 20 * PLENTY])
def test_a_fast_beginning_pays_for_no_silence(stops_at: float, in_all: int) -> None:
    """Whatever came before: who stops has the window, and at most once more as long."""
    each = in_all / (stops_at * LOOKS_PER_S)
    ended_at = ends_at(lambda now: each if now < stops_at else 0)
    assert ended_at is not None
    assert max(PATIENCE_S, stops_at + WINDOW_S) - 1 <= ended_at <= max(PATIENCE_S, stops_at + 2 * WINDOW_S) + 1


def test_a_slow_beginning_has_time() -> None:
    """Nothing at all comes for most of it; then the window is as good as any."""
    assert ends_at(lambda now: 100_000 if now > PATIENCE_S - 2 else 0) is None


@pytest.mark.parametrize("rate", [0, 1, LEAST_BYTES_PER_S - 8])
def test_a_body_that_trickles_is_given_up(rate: int) -> None:
    """As soon as it is judged at all."""
    assert PATIENCE_S + 1 / LOOKS_PER_S == ends_at(lambda _: rate / LOOKS_PER_S)


def test_a_body_that_comes_fast_enough_may_go_on_for_ever() -> None:
    """By one byte."""
    assert ends_at(lambda _: LEAST_BYTES_PER_S / LOOKS_PER_S + 1, until_s=10_000) is None


def test_pieces_with_pauses_between_are_no_trickle() -> None:
    """A recorder that sends what it has every eight seconds."""
    assert ends_at(lambda now: 30_000 if now % 8 == 0 else 0, until_s=3_000) is None


def test_what_the_server_holds_up_is_nobodys_fault() -> None:
    """A minute in which it did not read, in the middle or at the very beginning, and again and again."""
    assert ends_at(lambda now: 100_000 if now < 20 or now > 80 else 0, lambda now: 20 <= now <= 80) is None
    assert ends_at(lambda now: 100_000 if now > 60 else 0, lambda now: now <= 60) is None
    assert ends_at(lambda now: 40_000 if now % 20 == 0 else 0, lambda now: now % 20 > 8, until_s=2_000) is None


def test_who_stops_is_given_up_once_the_server_reads_again() -> None:
    """The time in which it did not is added, no more."""
    ended_at = ends_at(lambda now: PLENTY if now < 40 else 0, lambda now: 45 < now <= 105)
    assert ended_at is not None
    assert 60 + 40 + WINDOW_S - 1 <= ended_at <= 60 + 40 + 2 * WINDOW_S + 1


def test_a_loop_that_stood_still_blames_nobody() -> None:
    """However long it did: what was sent meanwhile nobody has read yet. Of each look a moment counts."""
    pace = BodyPace()
    looks = int(PATIENCE_S / LONGEST_LOOK_S)
    assert not any(pace.is_too_slow(look * HOUR, held_up=False) for look in range(looks + 1))
    assert pace.is_too_slow((looks + 1) * HOUR, held_up=False)
