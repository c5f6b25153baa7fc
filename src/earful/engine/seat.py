"""A session's place at the engine: its model objects, one per lane, made when first needed.

Nothing here waits: work goes in by `submit`, its outcome comes back through the callable given with it.
Whoever owns the session, a connection or an upload, holds one and closes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.engine.call import Call, Deliver, Lane

if TYPE_CHECKING:
    from earful.engine.engine import Engine
    from earful.models.types import SessionInfo, Work


class Seat:
    """One session's way to its models. Made by `Engine.seat`."""

    __slots__ = ("_engine", "_lanes", "closed", "info")

    def __init__(self, engine: Engine, info: SessionInfo, *, closed: bool = False) -> None:
        """Take a place at `engine` for the session `info` tells of."""
        self.info = info
        self.closed = closed
        self._engine = engine
        self._lanes: dict[int, Lane] = {}

    def submit(self, work: Work, deliver: Deliver) -> None:
        """Hand in `work`; `deliver` is called with its outcome exactly once, later, on the loop.

        Never waits. On a closed seat nothing is delivered any more. A lane takes its next work when the
        one before has been delivered, which includes: from within its `deliver`.
        """
        if self.closed:
            return
        lane = self._lanes.get(work.lane)
        if lane is None or lane.given_up:
            lane = self._lanes[work.lane] = Lane(self.info)
        if lane.call is not None:
            raise AssertionError("a session has one work in flight per lane")
        lane.call = call = Call(lane, work, deliver, lane.suspect)
        self._engine.enqueue(call)

    def waiting_s(self, now: float) -> float:
        """How long the oldest audio that has no answer is here at `now`; 0 where all is answered."""
        oldest_s = now
        for lane in self._lanes.values():
            call = lane.call
            if call is not None and call.work.since_s < oldest_s:
                oldest_s = call.work.since_s
        return now - oldest_s

    def close(self) -> None:
        """End the session's use of its models: what is in flight is cancelled and never delivered.

        The objects are closed in the background. May be called again, and from within `deliver`.
        """
        if self.closed:
            return
        self.closed = True
        lanes, self._lanes = self._lanes, {}
        self._engine.leave(self, lanes.values())
