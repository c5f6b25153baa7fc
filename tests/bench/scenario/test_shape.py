"""The named scenarios: who is to be there when, and who arrives."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.bench.scenario.shape import Phase, Shape, overload, ramp, soak, spike, sustained


def levels(shape: Shape, *at_s: float) -> list[float]:
    """The level at each of these moments."""
    return [round(shape.level(moment), 3) for moment in at_s]


def test_a_ramp_goes_up_evenly_and_stays() -> None:
    """Also after its end."""
    shape = ramp(100, 50.0)
    assert [0, 50, 100, 100, 100] == levels(shape, 0, 25, 50, 54, 1000)
    assert (55, 100, False) == (shape.seconds, shape.most, shape.is_open)


@pytest.mark.parametrize(("seconds", "held_s"), [(0.5, 3.0), (4.0, 3.0), (30.0, 3.0), (40.0, 4.0)])
def test_a_ramps_top_is_held_for_long_enough_to_be_judged(seconds: float, held_s: float) -> None:
    """Three intervals, however short the way up was."""
    assert [seconds, held_s] == [phase.seconds for phase in ramp(10, seconds).phases]


def test_a_sustained_load_comes_first_and_that_is_not_measured() -> None:
    """At most ten seconds, at least one."""
    shape = sustained(100, 60.0)
    assert [50, 100, 100] == levels(shape, 3, 6, 60)
    assert [False, True] == [phase.is_measured for phase in shape.phases]
    assert [1, 10] == [sustained(10, seconds).phases[0].seconds for seconds in (1.0, 1000.0)]


def test_a_spike_is_there_at_once() -> None:
    """Five times what was there before and is there after it."""
    shape = spike(100, 30.0)
    assert [20, 100, 100, 20] == levels(shape, 12.9, 13.0, 22.9, 23.0)
    assert ["coming", "before", "spike", "after"] == [phase.name for phase in shape.phases]


def test_a_small_spike_has_somebody_before_and_after_it() -> None:
    """A fifth of two would be nobody."""
    assert [1, 2, 1] == levels(spike(2, 30.0), 12.9, 13.0, 23.0)


def test_a_soak_has_sessions_of_different_length_some_of_which_misbehave() -> None:
    """As many as were asked for, to a hundredth."""
    shape = soak(100, 60.0, 20.0)
    lasting_s = [shape.lasts_s(number) or 0.0 for number in range(1000)]
    assert (10, 30, 20) == tuple(round(value) for value in (min(lasting_s), max(lasting_s), sum(lasting_s) / 1000))
    assert pytest.approx(100, abs=10) == sum(shape.drops(number) for number in range(1000))
    assert pytest.approx(50, abs=10) == sum(shape.is_slow(number) for number in range(1000))
    assert any(shape.is_slow(number) and not shape.drops(number) for number in range(1000))
    assert [10.0, 10.0, None] == [it.least_s for it in (shape, overload(9, 30.0, 10.0), sustained(9, 30.0))]


def test_an_overload_offers_multiples_of_what_fits() -> None:
    """By Little's law: so many arrivals a second, each staying so long, are so many sessions."""
    shape = overload(100, 30.0, 10.0)
    assert [5, 5, 10, 20, 50, 100, 5] == levels(shape, 0, 10, 40, 70, 100, 130, 160)
    assert ["filling", "0.5x", "1x", "2x", "5x", "10x", "0.5x"] == [phase.name for phase in shape.phases]
    assert (True, 10, 10, 1000) == (shape.is_open, shape.full_level, shape.lasts_s(7), shape.most)


@pytest.mark.parametrize(
    ("multiples", "seconds", "lasting_s", "reliefs"),
    [
        ((0.5, 1.0, 2.0, 5.0, 10.0, 0.5), 30.0, [30.0] * 6, [(160.0, 190.0)]),
        ((0.5, 2.0, 0.5), 5.0, [5.0, 5.0, 13.0], [(20.0, 33.0)]),
        ((0.5, 2.0), 5.0, [5.0, 5.0], []),
        ((2.0, 0.5), 5.0, [5.0, 13.0], [(15.0, 28.0)]),
        ((0.5, 1.0), 5.0, [5.0, 5.0], []),
        ((0.5, 2.0, 1.0), 5.0, [5.0, 5.0, 5.0], []),
        ((0.5, 2.0, 1.0, 0.5), 5.0, [5.0, 5.0, 5.0, 13.0], [(25.0, 38.0)]),
        ((0.5, 2.0, 0.9, 0.5, 3.0, 0.5), 20.0, [20.0] * 6, [(50.0, 90.0), (110.0, 130.0)]),
        ((2.0, 0.5, 1.0, 0.5), 20.0, [20.0] * 4, [(30.0, 50.0)]),
    ],
)
def test_after_an_overload_there_is_room_for_long_enough_to_be_judged(
    multiples: tuple[float, ...], seconds: float, lasting_s: list[float], reliefs: list[tuple[float, float]]
) -> None:
    """Below the capacity; at it, some are refused by chance. What is not followed by that has no relief."""
    shape = overload(100, seconds, 10.0, multiples)
    assert (lasting_s, reliefs) == ([phase.seconds for phase in shape.phases[1:]], shape.reliefs())


def test_of_others_nobody_knows_what_is_too_much() -> None:
    """A spike is no overload."""
    assert (False, []) == ((shape := spike(10, 30.0)).is_beyond(1e9), shape.reliefs())


def test_a_session_without_a_length_stays() -> None:
    """Until the level sinks; and behaves."""
    shape = ramp(10, 10.0)
    assert (None, False, False) == (shape.lasts_s(1), shape.drops(0), shape.is_slow(0))


@pytest.mark.parametrize(("seconds", "interval_s"), [(10.0, 1.0), (327.0, 1.0), (1800.0, 6.0), (86_400.0, 264.0)])
def test_intervals_are_whole_seconds_and_not_too_many(seconds: float, interval_s: float) -> None:
    """A day has as few as an hour."""
    assert interval_s == ramp(10, seconds).interval_s


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0, 1000), st.floats(0, 1000)), min_size=1, max_size=5),
    st.floats(0, 1),
)
def test_the_area_is_the_level_summed(phases: list[tuple[float, float, float]], share: float) -> None:
    """To the precision of a sum of small steps."""
    shape = Shape(name="any", phases=tuple(Phase("", *phase) for phase in phases))
    until_s = shape.seconds * share
    steps = 2000
    summed = sum(shape.level((nth + 0.5) * until_s / steps) for nth in range(steps)) * until_s / steps
    assert pytest.approx(summed, rel=0.01, abs=1000 * until_s / steps * len(phases) + 1e-9) == shape.area(until_s)
