"""A process of the model: runs an engine of its own for the worker that started it, and ends with it.

Guarantees that what a model raises, answers wrongly or takes too long for, as far as its loop turns, is answered from
here; whatever else becomes of this process is for its parent to see. Started as `-m earful.engine.child`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import socket
import sys
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from earful.engine.engine import Engine
from earful.engine.messages import (
    Answer,
    Ask,
    BadFrameError,
    Begin,
    FromProcess,
    Raised,
    Ready,
    ToProcess,
    Unfit,
    frame_of,
    to_process,
)
from earful.leave import leave
from earful.models.loading import ModelLoadError, load_model
from earful.models.types import Work

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from earful.engine.seat import Seat
    from earful.models.types import Outcome, SessionInfo

SWEEP_EVERY_S = 0.25
CLOSE_WITHIN_S = 1.0
LONGEST_PLACES = 8192
"""Characters of what is told of where a model raised."""
_PR_SET_PDEATHSIG = 1


class Child(asyncio.Protocol):
    """The parent's counterpart: hears what it says, and runs the model."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        """The parent has gone, or has said something that nobody understands."""
        self.engine: Engine | None = None
        self._frames = to_process()
        self._transport: asyncio.WriteTransport | None = None
        self._seats: dict[int, Seat] = {}
        self._unsaid: list[FromProcess] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Do what the parent says."""
        try:
            for message in self._frames.feed(data):
                self._take(message)
        except BadFrameError:
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nobody is there to work for."""
        del exc
        self.ended.set()

    async def close(self) -> None:
        """Give the model's objects a moment to close."""
        for task in self._tasks:
            task.cancel()
        if self.engine is not None:
            await self.engine.close(CLOSE_WITHIN_S)

    def _take(self, message: ToProcess) -> None:
        if isinstance(message, Begin):
            self._start(self._load(message))
        elif isinstance(message, Ask):
            self._ask(message)
        elif (seat := self._seats.pop(message.lane, None)) is not None:
            seat.close()

    def _ask(self, ask: Ask) -> None:
        if self.engine is None:
            raise AssertionError("a process is asked nothing before it is ready")
        seat = self._seats.get(ask.lane)
        if seat is None:
            seat = self._seats[ask.lane] = self.engine.seat(ask.session)
        work = Work(lane=0, pcm=ask.pcm, end=ask.end, index=0, end_ms=0, sequence=0)
        seat.submit(work, partial(self._deliver, ask.lane))

    def _deliver(self, lane: int, _: Work, outcome: Outcome) -> None:
        self._say(Answer(lane, outcome.result, outcome.failure))

    def _raised(self, session: SessionInfo, error: BaseException) -> None:
        places = "".join(traceback.format_tb(error.__traceback__))
        self._say(Raised(session, type(error).__name__, places[-LONGEST_PLACES:]))

    async def _load(self, begin: Begin) -> None:
        try:
            model = load_model(begin.model, begin.options)
            engine = Engine(model, timeout_s=begin.timeout_s, on_error=self._raised)
            await engine.load()
        except ModelLoadError as error:
            self._say(Unfit(str(error)))
            return
        self.engine = engine
        self._say(Ready(model.max_batch))
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            engine.sweep(time.monotonic())

    def _say(self, message: FromProcess) -> None:
        """Say it at the end of this turn of the loop, with what else there is by then: a step has many answers."""
        if not self._unsaid:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsaid.append(message)

    def _flush(self) -> None:
        said, self._unsaid = self._unsaid, []
        if self._transport is not None:
            self._transport.write(frame_of(said))

    def _start(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, name="model process")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def serve(line: socket.socket) -> None:
    """Run the model for whoever is at the other end of `line`, until that one has gone."""
    _, child = await asyncio.get_running_loop().create_connection(Child, sock=line)
    await child.ended.wait()
    await child.close()


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies: one whose loop hangs would not see the line's end."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the worker has gone")


def main(line: int, parent: int) -> None:
    """Be a process of the model of process `parent`, at the other end of the socket with the descriptor `line`."""
    for number in (signal.SIGINT, signal.SIGTERM):  # Whoever ends a whole group means the parent, which has a drain.
        signal.signal(number, signal.SIG_IGN)
    _die_with(parent)
    asyncio.run(serve(socket.socket(fileno=line)))
    leave(0)  # A thread of the model's must not keep it alive.


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
