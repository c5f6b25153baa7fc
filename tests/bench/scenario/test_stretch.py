"""Which intervals a phase has, and what is said of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.stretches import stretch

from earful.bench.scenario.shape import Phase, Shape, overload, ramp, soak, spike, sustained
from earful.bench.scenario.stretch import phases_of, unmeasured
from earful.bench.scenario.timeline import Timeline


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        (ramp(4, 0.5), ["up"]),
        (ramp(4, 1.0), []),
        (ramp(4, 86_400.0), []),
        (sustained(4, 0.9), ["held"]),
        (sustained(4, 1.0), []),
        (soak(4, 0.1, 1.0), ["held"]),
        (spike(4, 2.0), ["spike"]),
        (spike(4, 3.0), []),
        (overload(4, 1.0, 1.7, (0.5, 2.0)), ["2x"]),
        (overload(4, 2.0, 1.7, (0.5, 2.0)), []),
        (overload(4, 1.0, 1.0, (0.5,) * 359), []),
        (overload(4, 0.9, 200.0, (0.5,) * 200), ["0.5x"] * 110),
    ],
)
def test_a_phase_without_an_interval_is_known_beforehand(shape: Shape, names: list[str]) -> None:
    """Its middle decides where an interval belongs, and the last that is not whole belongs nowhere."""
    assert names == [phase.name for phase in unmeasured(shape)]


@given(st.lists(st.tuples(st.floats(0.1, 20), st.booleans()), min_size=1, max_size=8))
def test_every_other_phase_is_measured(phases: list[tuple[float, bool]]) -> None:
    """Where all of it is played."""
    parts = tuple(Phase(str(nth), seconds, 1, 1, is_measured=is_it) for nth, (seconds, is_it) in enumerate(phases))
    shape = Shape(name="any", phases=parts)
    found = [it.name for it in phases_of(Timeline(0.0, shape.interval_s, shape.seconds), shape, shape.seconds)]
    missing = [phase.name for phase in unmeasured(shape)]
    assert sorted(found + missing) == [phase.name for phase in parts if phase.is_measured]


@pytest.mark.parametrize(
    ("p99_ms", "owed", "worst_ms"), [(52.0, 100, 52.0), (None, 100, float("inf")), (None, 0, None)]
)
def test_who_is_never_answered_waits_for_ever(p99_ms: float | None, owed: int, worst_ms: float | None) -> None:
    """Who did not speak does not."""
    assert worst_ms == stretch(p99_ms=p99_ms, owed=owed).worst_ms
