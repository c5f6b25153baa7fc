"""One of the places in which workers serve: its sockets, who serves it, and how soon a dead one is followed.

The supervisor alone changes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from earful.backoff import Backoff

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from earful.supervisor.process import Process


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
