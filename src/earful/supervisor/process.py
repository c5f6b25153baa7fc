"""A worker process: forked here, and from then on seen from its parent's side.

Guarantees that the child never returns into its parent's code, and keeps nothing of its parent's open.
"""

from __future__ import annotations

import math
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn, Protocol

from earful.exit_status import in_words
from earful.leave import leave
from earful.supervisor.line import Line, Word
from earful.supervisor.signals import release

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence

    from earful.supervisor.signals import Signals
    from earful.supervisor.slot import Slot

FAULT = 1


class Closable(Protocol):
    """Anything of the parent's that a child must let go of."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class Station:
    """What a worker process is given: its slot's number and sockets, the line to its supervisor."""

    slot: int
    listeners: Sequence[socket.socket]
    line: Line
    hold_s: float
    """How long it may leave those who connect waiting for its model, before it answers that it is loading."""


Work = Callable[[Station], int]
"""What a worker process does, from its beginning to its end; returns its exit code."""


@dataclass(slots=True, eq=False)
class Process:
    """One worker process, until it is reaped: before that its id is nobody else's."""

    pid: int
    slot: Slot
    line: Line
    began_at: float
    is_ready: bool = False
    is_pressed: bool = False
    """Whether it said that it takes nobody new."""
    knows_room: bool = False
    """Whether it was told that another takes somebody."""
    failure: str = ""
    """Why it cannot start, in one sentence, where it said so."""
    given_up_as: str = ""
    """Why it was killed, where another shall follow."""
    is_told: bool = False
    """Whether it was told to end."""
    kill_at: float = field(default=math.inf)
    silent_s: float = 0.0
    """How long it has said nothing while the supervisor listened; until it is ready, `alive` is nothing."""

    def end(self, kill_at: float) -> None:
        """Tell it to drain and end, and note when that is no longer waited for.

        One that retires keeps its time, but must know: whoever would have gone on with its sessions ends too.
        """
        if not self.is_told:
            self.is_told, self.kill_at = True, kill_at
        os.kill(self.pid, signal.SIGTERM)

    def retire(self, kill_at: float) -> None:
        """Tell it that its successor is there; the same."""
        self.is_told, self.kill_at = True, kill_at
        self.line.say(Word.RETIRE)

    def tell_room(self, *, is_there: bool) -> None:
        """Tell it whether another takes sessions that it sends on, unless it knows."""
        if self.knows_room is not is_there:
            self.knows_room = is_there
            self.line.say(Word.ROOM if is_there else Word.NO_ROOM)

    def tell_state(self) -> None:
        """Have it write its stacks and its state, also where it hangs."""
        os.kill(self.pid, signal.SIGUSR1)

    def give_up(self, cause: str) -> None:
        """End it now, since it hangs: another follows, as one follows a dead one."""
        self.given_up_as = cause
        os.kill(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """End it now."""
        self.is_told, self.kill_at = True, math.inf
        os.kill(self.pid, signal.SIGKILL)


def fork(slot: Slot, hold_s: float, now: float, work: Work, signals: Signals, others: Iterable[Closable]) -> Process:
    """Start a process that serves `slot`; in the child, `others` and `signals` are closed. Raises OSError."""
    ours, theirs = Line.pair()
    try:
        with signals.held():
            pid = os.fork()
            if pid == 0:
                strangers: list[Closable] = [ours, signals, *others]
                for stranger in strangers:
                    stranger.close()
                _live(work, Station(slot.index, slot.listeners, theirs, hold_s))
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return Process(pid, slot, ours, now)


def cause_of(status: int) -> str:
    """How a process ended, in words, by the status that `waitpid` gave."""
    return in_words(os.waitstatus_to_exitcode(status))


def is_clean(status: int) -> bool:
    """Whether a process that was told to end did: after its drain, or before it had begun to listen for it."""
    return os.waitstatus_to_exitcode(status) in {0, -signal.SIGTERM}


def _live(work: Work, station: Station) -> NoReturn:
    """Be the child: whatever happens, end here."""
    code = FAULT
    try:
        release()
        code = work(station)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else FAULT
    except BaseException:  # noqa: BLE001 - told, and then the process ends with it
        traceback.print_exc()
    finally:
        leave(code)
