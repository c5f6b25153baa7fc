"""The client of a simulation: the resuming core in a shell of two coroutines, and a judge of all that it is told.

One speaks, one stays connected. Whatever comes on a line it has left is not read.
"""

from __future__ import annotations

import asyncio
from base64 import b64encode
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from tests.simulation.worker import SECRET

from earful.client.core import Speaker
from earful.errors import CloseCode, EarfulError, ErrorCode
from earful.protocol.messages import Ack, AudioChunk, EncodedChunk, Error, Final, Partial, ServerMessage, Started
from earful.protocol.seal import Seal

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.line import Close, Line
    from tests.simulation.scenes import Scene
    from tests.simulation.worker import Worker
    from tests.support.chance import Chance

PACE_S = 0.2
BACKOFF_S = 0.4
PATIENCE_S = 4.0


class Turn(NamedTuple):
    """The moment from which no older line has a right to the session."""

    line: int
    session_id: str
    at_s: float


class Client:
    """Says a scene to the workers, and ends when all of it is answered."""

    def __init__(self, scene: Scene, chance: Chance, workers: list[Worker], strike: Callable[[Line], None]) -> None:
        self.speaker = Speaker(scene.start())
        self.lines: list[Line] = []
        self.turns: list[Turn] = []
        self._scene = scene
        self._texts = {index: text for index, text, *_ in scene.truth()}
        self._chance = chance
        self._workers = workers
        self._strike = strike
        self._seal = Seal((SECRET,))
        self._line: Line | None = None
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Speak and listen until everything is answered."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._speak())
            tasks.create_task(self._stay_connected())

    def hear(self, line: Line, text: bytes) -> None:
        """Take in what comes on the newest line."""
        if line is self._line:
            message = msgspec.json.decode(text, type=ServerMessage)
            self.speaker.receive(message)
            self._check(message)
            self._send()
            self._news.set()

    def lose(self, line: Line, close: Close | None) -> None:
        """The line is gone; the next one goes on, unless that was the end."""
        if line is self._line:
            self._line = None
            self.speaker.lost()
            self._news.set()
            if close is not None:
                self._check_close(close)

    async def _speak(self) -> None:
        flushes = 0
        for said in self._scene.script():
            await asyncio.sleep(self._chance.up_to_s(PACE_S))
            if said is None:
                flushes += 1
                self.speaker.flush(f"flush {flushes}")
            else:
                self.speaker.speak(said)
            self._send()
        self.speaker.stop()
        self._send()

    async def _stay_connected(self) -> None:
        while not self.speaker.is_complete:
            await asyncio.sleep(self._chance.up_to_s(BACKOFF_S))
            self._dial(self._chance.pick(self._workers))
            while self._line is not None and not self.speaker.is_complete:
                await self._wait()

    async def _wait(self) -> None:
        """Wait for news; after too long a silence the line is left."""
        self._news.clear()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._news.wait()
        except TimeoutError:
            self.leave()

    def leave(self) -> None:
        """Give the line up."""
        if self._line is not None:
            line, self._line = self._line, None
            self.speaker.lost()
            line.cut(by_client=True)
            self._news.set()

    def _dial(self, worker: Worker) -> None:
        if not worker.is_up:
            return
        try:
            self._line = worker.connect(self, self._strike, resuming=bool(self.speaker.cursor))
        except EarfulError as refused:
            if refused.code is not ErrorCode.DRAINING:
                raise
            return
        self.lines.append(self._line)
        self.speaker.connected()
        self._send()

    def _send(self) -> None:
        for message in self.speaker.take_messages():
            if self._line is None:
                return
            said = (
                EncodedChunk(b64encode(message.data).decode(), message.sequence)
                if isinstance(message, AudioChunk)
                else message
            )
            self._line.say(msgspec.json.encode(said))

    def _check(self, message: ServerMessage) -> None:
        """Nobody is told of a fault, no cursor overtakes a final, and fragments are the beginning of theirs."""
        if isinstance(message, Error):
            assert "draining" == message.code, message
        elif isinstance(message, Started):
            self.turns.append(Turn(len(self.lines) - 1, message.session_id, asyncio.get_running_loop().time()))
        elif isinstance(message, Partial) and message.index in self.speaker.fragments:
            said = self.speaker.fragments[message.index]
            assert self._texts[message.index].startswith(said.strip()), (message, self._texts[message.index])
        elif isinstance(message, Final | Ack) and message.cursor:
            position = self._seal.read(str(message.cursor)).position
            assert position.sequence == message.keep_from
            assert position.index <= len(self.speaker.finals), (message, "its cursor overtakes a final")

    def _check_close(self, close: Close) -> None:
        """At the end; at a drain, where only who has no session yet is sent away without it."""
        if close.code == CloseCode.NORMAL:
            assert self.speaker.is_complete, "closed before the last final"
        elif close.code == CloseCode.RESTART:
            assert "" == self.speaker.cursor, "cut by a drain"
        else:
            assert close.code == CloseCode.DRAINED, close
