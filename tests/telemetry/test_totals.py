"""Totals add up, field by field."""

from __future__ import annotations

from earful.telemetry.totals import Totals


def test_totals_add_up() -> None:
    """Every field; `plus` leaves both as they were."""
    one, other = Totals(1, 2, 3, 4, 5, 6), Totals(10, 20, 30, 40, 50, 60)
    assert Totals(11, 22, 33, 44, 55, 66) == one.plus(other)
    assert Totals(1, 2, 3, 4, 5, 6) == one
    one.add(other)
    assert Totals(11, 22, 33, 44, 55, 66) == one
