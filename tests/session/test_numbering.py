"""The numbers of chunks: free or fixed at first, then one more each time."""

from __future__ import annotations

import pytest

from earful.errors import ErrorCode
from earful.session.numbering import Numbering


def test_the_first_number_of_a_plain_session_is_free() -> None:
    """Any number may come first, and the next is one more."""
    numbering = Numbering()
    assert (None, 0) == (numbering.expected, numbering.newest)
    assert numbering.fault(41) is None
    numbering.use(41)
    assert (42, 41) == (numbering.expected, numbering.newest)


def test_a_missing_number_means_the_next() -> None:
    """1 at first, otherwise the expected one."""
    assert 1 == Numbering().number(None)
    assert 8 == Numbering(8).number(None)
    assert 5 == Numbering(8).number(5)


@pytest.mark.parametrize(
    ("number", "fault"),
    [(7, None), (8, ErrorCode.SEQUENCE_GAP), (6, ErrorCode.SEQUENCE_REPEATED), (0, ErrorCode.SEQUENCE_REPEATED)],
)
def test_any_other_number_is_a_fault(number: int, fault: ErrorCode | None) -> None:
    """A larger one leaves a gap, a smaller one was already heard."""
    assert fault is Numbering(7).fault(number)


def test_repeats_are_told_once_a_second() -> None:
    """At most; a second later again."""
    numbering = Numbering(7)
    told = [numbering.may_tell_repeat(now) for now in (5.0, 5.5, 5.99, 6.0, 6.5, 9.0)]
    assert [True, False, False, True, False, True] == told
