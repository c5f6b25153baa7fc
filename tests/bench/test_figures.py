"""Figures of a step: what they say of it."""

from __future__ import annotations

import pytest
from tests.support.figures import figures, quantiles, trouble

from earful.bench.figures import Beside, Figures


@pytest.mark.parametrize(
    ("step", "failure"),
    [
        (figures(), ""),
        (figures(100, 50.0, 900.0), ""),
        (figures(refused=3), "3 refused with HTTP 503"),
        (figures(spoken=0), "nobody spoke"),
        (figures(100, *[50.0] * 97, spoken=100), ""),
        (figures(100, *[50.0] * 96, spoken=100), "only 96.0% of the spoken chunks answered"),
        (figures(idle=Beside(number=5, trouble=trouble())), ""),
        (
            figures(idle=Beside(number=5, trouble=trouble(http_503=1)), refused=1),
            "1 refused with HTTP 503, idle sessions: 1 refused with HTTP 503",
        ),
        (
            figures(handshakes=Beside(number=5, trouble=trouble(http_429=2), latency=quantiles(1.0))),
            "handshakes: 2 refused with HTTP 429",
        ),
    ],
)
def test_what_went_wrong_is_named(step: Figures, failure: str) -> None:
    """That answers were late is no failure: it is what is measured."""
    assert failure == step.failure


@pytest.mark.parametrize(
    ("step", "holds"),
    [
        (figures(100, 99.0), True),
        (figures(100, 101.5), False),
        (figures(100, 50.0, refused=1), False),
        (figures(spoken=0), False),
    ],
)
def test_it_holds_where_answers_came_in_time_and_nothing_went_wrong(step: Figures, holds: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Both."""
    assert holds == step.holds(100.0)


@pytest.mark.parametrize(
    ("step", "is_refused"),
    [
        (figures(100, 50.0), False),
        (figures(100, 150.0), False),
        (figures(100, 50.0, refused=3), True),
        (figures(100, 150.0, refused=3), False),
        (figures(spoken=0, refused=3), True),
        (figures(100, 50.0, idle=Beside(number=5, trouble=trouble(http_503=1))), True),
        (figures(100, 50.0, handshakes=Beside(number=5, trouble=trouble(http_429=1), latency=quantiles(1.0))), True),
        (figures(100, 50.0, idle=Beside(number=5, trouble=trouble(http_502=1))), False),
    ],
)
def test_a_server_that_refuses_while_it_is_in_time_has_met_its_own_limits(
    step: Figures,
    is_refused: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """One that is late besides has met its machine's; what is no word of room is a fault."""
    assert is_refused == step.is_refused(100.0)


@pytest.mark.parametrize(("late_ms", "valid"), [(9.8, True), (10.3, False)])
def test_a_late_generator_has_measured_itself(late_ms: float, valid: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Ten milliseconds are allowed."""
    assert valid == figures(late_ms=late_ms).is_valid


def test_quantiles_of_nothing_are_not_known() -> None:
    """Not 0."""
    nothing = quantiles()
    assert (0, None, None, None) == (nothing.count, nothing.p50_ms, nothing.p99_ms, nothing.max_ms)
    assert pytest.approx(80.0) == quantiles(20.0, 80.0).max_ms
