"""The life of a session as the protocol has it, cell by cell."""

from __future__ import annotations

from itertools import product

import pytest

from earful.protocol.states import TRANSITIONS, Input, State

CREATE, ACTIVE, CLOSING, CLOSED = State
BY_STATE = (CREATE, ACTIVE, CLOSING, CLOSED)

# One row an input, one column a state; None is a protocol error.
EXPECTED: dict[Input, tuple[State | None, State | None, State, State]] = {
    Input.AUDIO: (ACTIVE, ACTIVE, CLOSING, CLOSED),
    Input.START: (ACTIVE, None, CLOSING, CLOSED),
    Input.FLUSH: (None, ACTIVE, CLOSING, CLOSED),
    Input.KEEPALIVE: (None, ACTIVE, CLOSING, CLOSED),
    Input.STOP: (CLOSING, CLOSING, CLOSING, CLOSED),
    Input.IDLE: (CLOSING, CLOSING, CLOSING, CLOSED),
    Input.AGED: (CLOSING, CLOSING, CLOSING, CLOSED),
    Input.END: (CLOSING, CLOSING, CLOSING, CLOSED),
    Input.DRAIN: (CLOSING, CLOSING, CLOSING, CLOSED),
    Input.HAND_OVER: (CLOSING, CLOSING, CLOSING, CLOSED),
    Input.ANSWERED: (None, None, CLOSED, CLOSED),
    Input.STALLED: (CLOSED, CLOSED, CLOSED, CLOSED),
    Input.UNREAD: (CLOSED, CLOSED, CLOSED, CLOSED),
    Input.FATAL: (CLOSED, CLOSED, CLOSED, CLOSED),
    Input.GONE: (CLOSED, CLOSED, CLOSED, CLOSED),
}


@pytest.mark.parametrize(("state", "happening"), list(product(State, Input)))
def test_every_cell_of_the_table(state: State, happening: Input) -> None:
    """Every state with every input: where it leads, or that it is an error."""
    assert EXPECTED[happening][BY_STATE.index(state)] is TRANSITIONS[state].get(happening)


def test_nothing_is_left_out() -> None:
    """Each state has its column and each input its row."""
    assert set(State) == set(TRANSITIONS)
    assert set(Input) == set(EXPECTED)


def test_no_way_leads_back() -> None:
    """A session only ever grows older."""
    for state, cells in TRANSITIONS.items():
        assert all(BY_STATE.index(after) >= BY_STATE.index(state) for after in cells.values())
