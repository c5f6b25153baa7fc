"""What is asked of the directory of sessions before `started` is answered, and what it may say. Pure.

A session gives its `Claim` out once (`take_claim`) and neither answers nor wants to hear more until it is
given the `Verdict` (`claimed`). No lock: who is granted the session has it, whoever had it before.
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from earful.errors import ErrorCode


class Claim(Struct, frozen=True, gc=False):
    """A session begins here (`attempt` 0), or goes on here for the client's `attempt`-th time (from 1).

    `life_s` is how long its cursors can still be used: nobody has to remember it for longer.
    """

    session_id: str
    tenant: str
    attempt: int
    life_s: float


class Verdict(Enum):
    """What the directory says to a claim."""

    GRANTED = "granted"
    """Go on; whoever had the session is to let it go."""
    SUPERSEDED = "superseded"
    """An attempt at least as large was granted before; nothing has changed."""
    DELETED = "deleted"
    """The session was ended for good."""


REFUSALS = {Verdict.SUPERSEDED: ErrorCode.SUPERSEDED, Verdict.DELETED: ErrorCode.RESUME_FAILED}
"""How a session ends whose claim was not granted."""
