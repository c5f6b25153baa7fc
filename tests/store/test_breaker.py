"""The breaker: everything passes while all is well, one call a second while it is not."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from earful.store.breaker import PROBE_EVERY_S, Breaker


def test_all_pass_while_all_is_well() -> None:
    """At any time."""
    breaker = Breaker()
    assert [True] * 3 == [breaker.admits(now) for now in (0.0, 0.0, 99.0)]


def test_one_probe_a_second_after_a_failure() -> None:
    """None at once, and none beside a probe that has no answer yet."""
    breaker = Breaker()
    breaker.failed(10.0)
    assert not breaker.available
    assert [False, False, True, False, False, True] == [
        breaker.admits(now) for now in (10.0, 10.9, 11.0, 11.0, 11.9, 12)
    ]


def test_a_success_lets_all_pass() -> None:
    """From then on, until the next failure."""
    breaker = Breaker()
    breaker.failed(10.0)
    breaker.succeeded()
    assert breaker.available
    assert [True, True] == [breaker.admits(10.0), breaker.admits(10.0)]


@given(st.lists(st.floats(0, 3), max_size=50))
def test_never_two_probes_within_a_second(pauses_s: list[float]) -> None:
    """However often it is asked, while every probe fails."""
    breaker = Breaker()
    breaker.failed(0.0)
    now, probes = 0.0, [0.0]
    for pause_s in pauses_s:
        now += pause_s
        if breaker.admits(now):
            breaker.failed(now)
            probes.append(now)
    assert all(later >= earlier + PROBE_EVERY_S for earlier, later in pairwise(probes))
