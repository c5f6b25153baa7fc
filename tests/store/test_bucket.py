"""A bucket that may be in debt: what it gains, what it holds, and that nothing is ever given away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.store.bucket import Bucket

rates = st.sampled_from([0.01, 0.5, 1.0, 3.0, 250.0])
steps = st.lists(st.tuples(st.floats(0, 5), st.integers(0, 20)), max_size=40)


def test_it_holds_a_second_and_makes_good_what_it_owes() -> None:
    """And of less than one a second still one."""
    bucket = Bucket(2.0, 10.0)
    assert [2.0, 2.0, -1.0, -0.5, 0.0] == [
        bucket.left(2.0, 10.0),
        bucket.left(2.0, 99.0),
        bucket.draw(3, 2.0, 99.0),
        bucket.left(2.0, 99.25),
        bucket.left(2.0, 99.5),
    ]
    assert 100.5 == bucket.full_at_s
    slow = Bucket(0.1, 0.0)
    assert (1.0, 0.0, 10.0) == (slow.left(0.1, 50.0), slow.draw(1, 0.1, 50.0), slow.full_at_s - 50.0)


def test_another_rate_gives_nothing_away() -> None:
    """However often it changes: what was earned is by the rate that held meanwhile."""
    bucket = Bucket(10.0, 0.0)
    bucket.draw(10, 10.0, 0.0)
    assert [0.0] * 10 == [bucket.left(rate_per_s, 0.0) for rate_per_s in (1.0, 10.0) * 5]
    assert [2.0, 2.0] == [bucket.left(2.0, 0.5), bucket.left(10.0, 0.5)]


def test_it_believes_who_knows_better() -> None:
    """But never that there is more than it holds."""
    bucket = Bucket(3.0, 0.0)
    bucket.settle(-3.0, 5.0)
    assert 0.0 == bucket.left(3.0, 6.0)
    bucket.settle(50.0, 6.0)
    assert 3.0 == bucket.left(3.0, 6.0)


def test_a_clock_that_goes_back_earns_nothing() -> None:
    """The time it tells holds from then on."""
    bucket = Bucket(1.0, 100.0)
    bucket.draw(1, 1.0, 100.0)
    assert [0.0, 0.5] == [bucket.left(1.0, 50.0), bucket.left(1.0, 50.5)]


@given(rates, steps)
def test_whoever_draws_what_is_there_keeps_to_the_rate(rate_per_s: float, steps: list[tuple[float, int]]) -> None:
    """Over any time, plus what it holds; whatever else was drawn is owed."""
    bucket, now, drawn = Bucket(rate_per_s, 0.0), 0.0, 0
    for wait_s, tries in steps:
        now += wait_s
        for _ in range(tries):
            if bucket.left(rate_per_s, now) >= 1:
                bucket.draw(1, rate_per_s, now)
                drawn += 1
    assert drawn <= max(1.0, rate_per_s) + rate_per_s * now + 1e-6


@given(rates, steps)
def test_when_it_is_full_a_new_one_is_as_good(rate_per_s: float, steps: list[tuple[float, int]]) -> None:
    """So it may be forgotten then, and not before."""
    bucket, now = Bucket(rate_per_s, 0.0), 0.0
    for wait_s, number in steps:
        now += wait_s
        bucket.draw(number, rate_per_s, now)
    full_at_s = max(now, bucket.full_at_s)
    owed = max(1.0, rate_per_s) - bucket.left(rate_per_s, now)
    assert (full_at_s - now) * rate_per_s == pytest.approx(owed)
    assert bucket.left(rate_per_s, full_at_s) == pytest.approx(Bucket(rate_per_s, full_at_s).left(rate_per_s, now))
