"""One of the places in which workers serve: its sockets, who serves it, and how soon a dead one is followed.

The supervisor alone changes it. `Backoff` is pure: times are arguments.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from earful.supervisor.process import Process

QUICK_S = 2.0
"""A worker that dies before this, or before it was ready, has died quickly."""
AT_ONCE = 5
"""Quick deaths in a row that are each followed at once: five in the ten seconds that they take at most."""
FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 5.0


@dataclass(slots=True)
class Backoff:
    """How long to wait before the next try."""

    quick_deaths: int = 0
    """In a row."""

    def delay_s(self, lived_s: float, *, was_ready: bool) -> float:
        """Note a death; seconds to wait: 0 mostly, twice as long each time for one that dies again and again."""
        is_quick = lived_s < QUICK_S or not was_ready
        self.quick_deaths = self.quick_deaths + 1 if is_quick else 0
        doublings = self.quick_deaths - AT_ONCE - 1
        if doublings < 0:
            return 0.0
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(doublings, 10))


@dataclass(slots=True)
class Slot:
    """A place, and who is in it."""

    index: int
    listeners: Sequence[socket.socket]
    """Held open by the supervisor for its life: who connects while nobody serves waits in their queues."""
    process: Process | None = None
    successor: Process | None = None
    """Takes over as soon as it is ready."""
    restart_at: float = 0.0
    """Before this no process is started where there is none."""
    was_ready: bool = False
    """Whether any process ever was ready here."""
    backoff: Backoff = field(default_factory=Backoff)

    def lose(self, process: Process) -> None:
        """Forget a process that ended; where it served, a successor on its way moves up."""
        if process is self.successor:
            self.successor = None
        elif process is self.process:
            self.process, self.successor = self.successor, None
