"""The supervisor's loop: N workers, one a slot; dead and hung ones are followed, SIGHUP replaces all, SIGTERM ends.

Guarantees that a slot's sockets are open while the supervisor lives, so that nobody who connects is refused, and
that no worker outlives it: each is told, waited for, killed. One thread, no event loop; every wait is bounded.
"""

from __future__ import annotations

import math
import os
import selectors
import signal
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from earful.supervisor.line import PRESSED, Word
from earful.supervisor.process import Process, cause_of, fork, is_clean
from earful.supervisor.signals import Signals
from earful.supervisor.slot import Slot

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from earful.supervisor.process import Closable, Work
    from earful.telemetry.logs import Logger

HOLD_S = 2.0
"""How long a dead worker's successor lets newcomers wait for its model before it answers that it is loading."""
READY_WITHIN_S = 600.0
"""Some models take minutes to load."""
FORCED_WITHIN_S = 0.8
"""After a second signal the supervisor waits no longer than this for what it killed."""
SILENT_WITHIN_S = 10.0
"""A ready worker that says nothing for so long hangs: its clients have long gone elsewhere, or wait for nothing."""
NO_ROOM_S = 1.0
"""How long to wait where the system has no room for another process."""
_TICK_S = 0.05
_LOOKS = 4
"""At whoever is silent, before they count as hung: one long silence may be that the supervisor itself was stopped."""


class CannotStart(Exception):  # noqa: N818 - what a process says, not what it raised
    """No worker can serve this slot; the text is one sentence for whoever started the server."""


class Supervisor:
    """Runs `work` in one process a slot, until told to stop. For the main thread of a process without others."""

    def __init__(
        self,
        listeners: Sequence[Sequence[socket.socket]],
        work: Work,
        log: Logger,
        *,
        end_within_s: float,
        retire_within_s: float,
        ready_within_s: float = READY_WITHIN_S,
        silent_within_s: float = SILENT_WITHIN_S,
        renew: Callable[[], Work | None] | None = None,
    ) -> None:
        """Start nothing yet; `listeners` are the sockets of each slot.

        `renew` gives what successors do from a SIGHUP on, None where nobody is to be replaced: by default the same.
        A worker that was told to end has `end_within_s` for it, to retire `retire_within_s`.
        Each has `ready_within_s` to get ready; where it is the successor of one that lives, that one serves meanwhile.
        One that is ready must say a word within `silent_within_s`, one that cannot start must end within it.
        """
        self._slots = [Slot(index, sockets) for index, sockets in enumerate(listeners)]
        self._work = work
        self._renew = renew or (lambda: self._work)
        self._log = log
        self._end_within_s = end_within_s
        self._retire_within_s = retire_within_s
        self._ready_within_s = ready_within_s
        self._silent_within_s = silent_within_s
        self._idle_s = min(silent_within_s, ready_within_s) / _LOOKS
        self._listened_at = time.monotonic()
        self._signals = Signals()
        self._selector = selectors.DefaultSelector()
        self._processes: dict[int, Process] = {}
        self._round: Iterator[None] | None = None
        self._is_round_wanted = False
        self._is_ending = False
        self._give_up_at = math.inf
        self._code = 0
        self._failure = ""
        self._had_terminal = sys.stderr.isatty()

    def run(self) -> int:
        """Start the workers and see to them until all have ended; 0 where each ended as it should, else 1.

        Raises CannotStart where a worker says at its slot's first start that it never can.
        """
        with self._selector, self._signals:
            self._selector.register(self._signals, selectors.EVENT_READ)
            try:
                for slot in self._slots:
                    slot.process = self._fork(slot, hold_s=0)
                while self._is_needed():
                    self._selector.select(_TICK_S if self._is_busy() else self._idle_s)
                    self._step()
            finally:
                self._kill_all()
        if self._failure:
            raise CannotStart(self._failure)
        return self._code

    def _is_needed(self) -> bool:
        """Whether there is anything left to see to."""
        return not self._is_ending or (bool(self._processes) and time.monotonic() < self._give_up_at)

    def _is_busy(self) -> bool:
        """Whether something is due that no signal and no worker will tell of."""
        is_empty = any(slot.process is None for slot in self._slots)
        return is_empty or self._is_ending or self._is_round_wanted or self._round is not None

    def _step(self) -> None:
        for number in self._signals.take():
            self._obey(number)
        for process in self._processes.values():
            self._hear(process)
        self._tell_of_room()
        self._mind_the_silent()  # When all lines are read: what was said while nobody listened counts.
        self._reap()
        self._fill_slots()
        self._advance_round()
        for process in self._processes.values():
            if time.monotonic() >= process.kill_at:
                self._log.warning("worker did not end in time", worker=process.slot.index, pid=process.pid)
                process.kill()

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            if self._has_hung_up():
                self._force()
            self._is_round_wanted = not self._is_ending
        elif number == signal.SIGUSR1:
            for process in self._processes.values():
                process.tell_state()
        elif number in {signal.SIGINT, signal.SIGTERM}:
            if self._is_ending:
                self._force()
            else:
                self._end()

    def _has_hung_up(self) -> bool:
        """Whether SIGHUP says that the terminal is gone: then nothing can be logged, and a server alone would die."""
        return self._had_terminal and not os.isatty(sys.stderr.fileno())

    def _hear(self, process: Process) -> None:
        """Take what a worker said."""
        words = process.line.take()
        for word, text in words:
            if word is Word.READY:
                process.is_ready = process.slot.was_ready = True
            elif word is Word.ALIVE:
                process.is_pressed = text == PRESSED
            elif word is Word.FAILED:
                process.failure = text
            elif word is Word.DRAIN and not self._is_ending:
                self._end()
        if words and (process.is_ready or process.failure):
            process.silent_s = 0.0  # A loop that moves says nothing of a model that never gets loaded.
        if not process.line.is_open:
            self._hang_up(process)

    def _tell_of_room(self) -> None:
        """Tell each whether any other takes somebody: who is to go on elsewhere is sent to one that does, or stays."""
        takers = [one for one in self._processes.values() if one.is_ready and not (one.is_told or one.is_pressed)]
        for process in self._processes.values():
            process.tell_room(is_there=any(taker is not process for taker in takers))

    def _hang_up(self, process: Process) -> None:
        """Hear no more of a process; a line that has ended would wake the selector for ever."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(process.line)

    def _mind_the_silent(self) -> None:
        """Kill whoever hangs; a time in which the supervisor was stopped, and perhaps everybody, hardly counts."""
        now = time.monotonic()
        listened_s = min(now - self._listened_at, self._idle_s)
        self._listened_at = now
        for process in self._processes.values():
            if process.is_told or process.given_up_as:
                continue
            process.silent_s += listened_s
            if process.silent_s >= self._patience_s(process):
                self._give_up(process)

    def _patience_s(self, process: Process) -> float:
        is_loading = not process.is_ready and not process.failure
        return self._ready_within_s if is_loading else self._silent_within_s

    def _give_up(self, process: Process) -> None:
        cause = "hung" if process.is_ready else "not ready in time"
        silent_s = round(process.silent_s, 1)
        self._log.error("worker hangs", worker=process.slot.index, pid=process.pid, cause=cause, silent_s=silent_s)
        process.give_up(cause)

    # Beginnings and ends of single workers.

    def _fork(self, slot: Slot, hold_s: float) -> Process:
        """Start a process in `slot`; raises OSError where the system has no room for it."""
        lines = [process.line for process in self._processes.values()]
        sockets = [listener for other in self._slots if other is not slot for listener in other.listeners]
        strangers: list[Closable] = [self._selector, *lines, *sockets]
        process = fork(slot, hold_s, time.monotonic(), self._work, self._signals, strangers)
        self._processes[process.pid] = process
        self._selector.register(process.line, selectors.EVENT_READ)
        self._log.info("worker started", worker=slot.index, pid=process.pid)
        return process

    def _reap(self) -> None:
        """Bury the dead; also those that are none of ours, which fall to the first process of a container."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            process = self._processes.pop(pid, None)
            if process is not None:
                self._hear(process)  # Its last words.
                self._hang_up(process)
                process.line.close()
                self._bury(process, status)

    def _bury(self, process: Process, status: int) -> None:
        slot, now = process.slot, time.monotonic()
        cause = process.failure or process.given_up_as or cause_of(status)
        fields = {"worker": slot.index, "pid": process.pid, "cause": cause}
        slot.lose(process)
        if process.is_told:
            self._log.info("worker ended", **fields)
            if self._is_ending and not is_clean(status):
                self._code = 1
        elif process.failure and not slot.was_ready:
            self._failure = process.failure
            self._end()
        else:
            lived_s = now - process.began_at
            delay_s = slot.backoff.delay_s(lived_s, was_ready=process.is_ready)
            slot.restart_at = now + delay_s
            self._log.warning("worker died", **fields, lived_s=round(lived_s, 3), retry_in_s=delay_s)

    def _fill_slots(self) -> None:
        """Start a process in each slot that has none and has waited long enough."""
        for slot in self._slots:
            if slot.process is None and time.monotonic() >= slot.restart_at and not self._is_ending:
                slot.process = self._try_to_fork(slot, HOLD_S)

    def _try_to_fork(self, slot: Slot, hold_s: float) -> Process | None:
        """The same as `_fork`; where the system has no room for it, that is logged, and it is tried again later."""
        try:
            return self._fork(slot, hold_s)
        except OSError as error:
            self._log.error("worker cannot be started", worker=slot.index, error=error.strerror)
            slot.restart_at = time.monotonic() + NO_ROOM_S
            return None

    # All of them, one after another.

    def _advance_round(self) -> None:
        """Go on with the round of replacements as far as it goes without waiting."""
        if self._round is None and self._is_round_wanted:
            self._is_round_wanted = False
            work = self._renew()
            self._round = None if work is None else self._replace_all(work)
        if self._round is not None and next(self._round, self) is self:
            self._round = None

    def _replace_all(self, work: Work) -> Iterator[None]:
        """Replace the worker of each slot; yields where it has to wait. Ends early where a successor does not come.

        Then whoever dies is followed by one with the former work again.
        """
        began = time.monotonic()
        former, self._work = self._work, work
        self._log.info("replacing all workers")
        for slot in self._slots:
            old = slot.process
            if old is None:
                continue  # It is due for a new one anyway.
            successor = slot.successor = self._try_to_fork(slot, math.inf)
            while self._is_loading(successor):  # In bounded time it is ready, or dead, or given up.
                yield
            if successor is None or not self._is_there(successor):
                self._log.warning("replacing stopped: a successor did not get ready", worker=slot.index)
                self._work = former
                return
            slot.process, slot.successor = successor, None
            if self._is_there(old):
                old.retire(time.monotonic() + self._retire_within_s)
            while self._is_there(old):
                yield
        self._log.info("all workers replaced", took_s=round(time.monotonic() - began, 3))

    def _is_there(self, process: Process) -> bool:
        """Whether it has not ended."""
        return self._processes.get(process.pid) is process

    def _is_loading(self, process: Process | None) -> bool:
        return process is not None and self._is_there(process) and not process.is_ready

    # The end.

    def _end(self) -> None:
        """Tell all workers to end; from now on nobody is followed."""
        self._is_ending, self._round, self._is_round_wanted = True, None, False
        self._log.info("stopping", workers=len(self._processes))
        for slot in self._slots:
            # A worker's own copy ends with it: who connects then is refused at once instead of waiting for nobody.
            for listener in slot.listeners:
                listener.close()
        for process in self._processes.values():
            process.end(time.monotonic() + self._end_within_s)

    def _force(self) -> None:
        """End at once, whatever is still open."""
        self._is_ending, self._code = True, 1
        self._give_up_at = time.monotonic() + FORCED_WITHIN_S
        self._kill_all()

    def _kill_all(self) -> None:
        for process in self._processes.values():
            process.kill()
