"""How fast a request's body comes: one that comes too slowly, or no more, holds its place no longer. Pure.

Guarantees that a fast beginning pays for no silence afterwards, that a slow one has `PATIENCE_S`, and that nobody is
blamed while the server does not read. `BoundedHttpProtocol` has one for each body, and looks at every sweep.
"""

from __future__ import annotations

PATIENCE_S = 30.0
"""A body is not judged before: who makes its recording while it sends it may begin slowly."""
WINDOW_S = 10.0
"""From then on it is judged by what came of late: the last such time, up to twice as long."""
LEAST_BYTES_PER_S = 1024
LONGEST_LOOK_S = 1.0
"""What passed beyond that between two looks, the event loop stood still: what came meanwhile nobody has read."""


class BodyPace:
    """One body's pace, in the time in which the server was ready for it."""

    __slots__ = ("_bytes", "_last_look_at", "_newer", "_older", "_waited_s")

    def __init__(self) -> None:
        """Nothing has come; time counts from the first look."""
        self._bytes = 0
        self._waited_s = 0.0
        self._last_look_at: float | None = None
        # Two marks, each how long was waited and what had come by then, instead of a list of all pieces.
        self._older = self._newer = (0.0, 0)

    def came(self, size_bytes: int) -> None:
        """So much more of it has come."""
        self._bytes += size_bytes

    def is_too_slow(self, now: float, *, held_up: bool) -> bool:
        """Look at it, `now` in monotonic seconds; while it is `held_up` by the server no time passes for it."""
        passed_s = 0.0 if self._last_look_at is None else now - self._last_look_at
        self._last_look_at = now
        if held_up:
            return False
        self._waited_s += min(passed_s, LONGEST_LOOK_S)
        if self._waited_s - self._newer[0] >= WINDOW_S:
            self._older, self._newer = self._newer, (self._waited_s, self._bytes)
        waited_s, came_bytes = self._waited_s - self._older[0], self._bytes - self._older[1]
        return self._waited_s > PATIENCE_S and came_bytes < waited_s * LEAST_BYTES_PER_S
