"""Whether a model has room for one more session: by what it costs, for those who speak as they do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.service.headroom import ENOUGH_S, Done, Headroom


def measured(
    cost: float, duty: float = 1.0, sessions: int = 1, places: int | None = 1, seconds: int = 60, most: float = 0.9
) -> Headroom:
    """One that was shown `seconds` of so many sessions, each second of audio costing `cost`."""
    headroom = Headroom(most)
    for second in range(seconds + 1):
        heard_s = second * sessions * duty
        headroom.observe(Done(heard_s * cost, heard_s), places, sessions, min(second, 1))
    return headroom


@pytest.mark.parametrize(
    ("cost", "duty", "places", "fit"),
    [(0.2, 1.0, 1, 4), (0.2, 0.5, 1, 9), (0.2, 1.0, 2, 9), (0.01, 1.0, 1, 90), (0.5, 1.0, 1, 1), (3.0, 1.0, 1, 1)],
)
def test_so_many_fit(cost: float, duty: float, places: int, fit: int) -> None:
    """By what a second of audio costs, how much of the time they speak, and how many calls run side by side."""
    headroom = measured(cost, duty, places=places)
    sessions = 0
    while headroom.has_room(sessions):
        sessions += 1
    assert fit == sessions


@pytest.mark.parametrize(
    "headroom",
    [
        Headroom(0.9),
        measured(5.0, seconds=int(ENOUGH_S) - 1),
        measured(5.0, duty=0.0),
        measured(5.0, places=None),
        measured(5.0, most=0.0),
    ],
    ids=["nothing", "too little", "silence", "a model without places", "switched off"],
)
def test_what_is_not_known_refuses_nobody(headroom: Headroom) -> None:
    """Nor does what is not asked for."""
    assert headroom.has_room(1000)


def test_who_would_be_alone_is_let_in() -> None:
    """Or nothing would ever be measured again."""
    headroom = measured(5.0)
    assert (False, True) == (headroom.has_room(1), headroom.has_room(0))


def test_one_that_is_full_has_room_a_little_later() -> None:
    """A load that moves about the limit does not open and close the door."""
    headroom = measured(0.0895)
    assert headroom.has_room(9)
    assert not headroom.has_room(10)
    assert not headroom.has_room(9)
    assert headroom.has_room(8)
    assert headroom.has_room(9)


def test_a_model_that_gets_slower_is_measured_anew() -> None:
    """What was long ago counts less and less, but not because nobody came."""
    headroom = measured(0.1, seconds=60)
    busy_s, heard_s = 6.0, 60.0
    headroom.observe(Done(busy_s, heard_s), 1, 0, 10_000)
    assert 0.1 == pytest.approx(headroom.load_of(1))
    for second in range(1, 100):
        headroom.observe(Done(busy_s + second * 0.4, heard_s + second), 1, 1, 1)
    assert 0.4 == pytest.approx(headroom.load_of(1), rel=0.1)


def test_uploads_tell_what_audio_costs_and_not_who_speaks() -> None:
    """They are heard faster than anybody speaks."""
    headroom = measured(0.1, duty=0.5)
    for second in range(1, 31):
        done = Done(3.0 + second * 2.0, 30.0 + second * 20.0)
        headroom.observe(done, 1, 1, 1, had_uploads=True)
    assert 0.05 == pytest.approx(headroom.load_of(1))


@given(
    st.floats(0.001, 10),
    st.floats(0.1, 4),
    st.integers(1, 50),
    st.integers(1, 16),
    st.floats(0.1, 1),
    st.integers(0, 500),
)
def test_who_is_let_in_fits(cost: float, duty: float, sessions: int, places: int, most: float, taken: int) -> None:
    """One more is let in if, and only if, all together keep the model busy for less than may be."""
    headroom = measured(cost, duty, sessions, places, most=most)
    headroom.is_full = False
    load = headroom.load_of(taken + 1)
    assert (taken + 1) * cost * duty / places == pytest.approx(load)
    assert (taken == 0 or (load is not None and load <= most)) == headroom.has_room(taken)
