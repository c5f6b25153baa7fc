"""The rate of a log's lines: the first of each second, and how many more there were."""

from __future__ import annotations

from earful.telemetry.log_rate import Kind, LogRate

A, B = Kind("info", "a"), Kind("warning", "b")


class Clock:
    """A time that a test moves, in seconds."""

    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        """Tell it."""
        return self.now_s


def test_the_first_of_each_second_are_admitted() -> None:
    """Event by event, however many others there are."""
    clock = Clock()
    rate = LogRate(clock)
    for _ in (1, 2):
        assert [True, True, False, False] == [rate.admits(A, 2) for _ in range(4)]
        assert [True, False] == [rate.admits(B, 1) for _ in range(2)]
        clock.now_s += 1


def test_what_was_left_out_is_told_once_its_second_is_over() -> None:
    """Each once, also where another second has begun meanwhile, and seconds in which nobody asked are added up."""
    clock = Clock()
    rate = LogRate(clock)
    for _ in range(2):
        for _ in range(5):
            rate.admits(A, 2)
        clock.now_s += 1
    rate.admits(B, 0)
    assert ({A: 6}, {}) == (rate.take(), rate.take())
    clock.now_s += 0.9
    assert {} == rate.take()
    clock.now_s += 0.1
    assert ({B: 1}, {}) == (rate.take(), rate.take())


def test_at_the_end_nobody_waits_for_the_second() -> None:
    """All of it is told."""
    rate = LogRate(Clock())
    rate.admits(A, 0)
    assert ({}, {A: 1}, {}) == (rate.take(), rate.take(is_last=True), rate.take(is_last=True))
