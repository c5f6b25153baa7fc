"""Histograms: counting, subtracting, quantiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.telemetry.histogram import LATENCY_BOUNDS_S, Histogram

durations = st.lists(st.floats(min_value=0, max_value=20), max_size=50)


def filled(seconds: list[float]) -> Histogram:
    """A histogram that observed these."""
    histogram = Histogram()
    for each in seconds:
        histogram.observe(each)
    return histogram


def test_a_bound_belongs_to_its_own_bucket() -> None:
    """Upper bounds are inclusive, as Prometheus has them."""
    histogram = Histogram((0.1, 0.2))
    for seconds in (0.1, 0.10001, 0.2, 0.3):
        histogram.observe(seconds)
    assert [1, 2, 1] == histogram.counts


def test_95_and_105_ms_do_not_look_alike() -> None:
    """The buckets are fine where the promise lies."""
    slow, fast = filled([0.105] * 100).snapshot(), filled([0.095] * 100).snapshot()
    assert slow.quantile_ms(0.99) - fast.quantile_ms(0.99) > 5


def test_nothing_observed_is_zero() -> None:
    """No division by nothing."""
    empty = Histogram().snapshot()
    assert (0, 0.0, 0.0) == (empty.count, empty.mean_ms(), empty.quantile_ms(0.5))


def test_beyond_the_last_bound_the_last_bound_is_said() -> None:
    """A histogram cannot know more."""
    assert LATENCY_BOUNDS_S[-1] * 1000 == filled([100.0]).snapshot().quantile_ms(0.5)


def test_a_quantile_is_interpolated_inside_its_bucket() -> None:
    """Half of ten in the bucket from 10 to 20 ms lie below 15."""
    assert pytest.approx(15.0) == filled([0.015] * 10).snapshot().quantile_ms(0.5)


@given(durations, durations)
def test_a_difference_is_what_came_between(before: list[float], after: list[float]) -> None:
    """Subtracting an earlier snapshot leaves the later observations."""
    histogram = filled(before)
    then = histogram.snapshot()
    for each in after:
        histogram.observe(each)
    between = histogram.snapshot().since(then)
    assert filled(after).snapshot().counts == between.counts
    assert pytest.approx(sum(after), abs=1e-6) == between.total_s


@given(durations.filter(bool), st.floats(min_value=0, max_value=1), st.floats(min_value=0, max_value=1))
def test_quantiles_rise(seconds: list[float], one: float, other: float) -> None:
    """A larger share never has a smaller duration."""
    low, high = sorted((one, other))
    snapshot = filled(seconds).snapshot()
    assert snapshot.quantile_ms(low) <= snapshot.quantile_ms(high)


@given(durations, durations)
def test_a_sum_is_what_both_observed(ones: list[float], others: list[float]) -> None:
    """Of two workers; one with other bounds adds nothing."""
    own = filled(ones).snapshot()
    both = own.plus(filled(others).snapshot())
    assert filled(ones + others).snapshot().counts == both.counts
    assert pytest.approx(sum(ones + others), abs=1e-6) == both.total_s
    assert own == own.plus(Histogram((1.0, 2.0)).snapshot())
