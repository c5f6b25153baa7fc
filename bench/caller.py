"""A client that resumes: its own voice at real time, over as many connections as it takes, by `Speaker`.

Guarantees the client's duties: it gives up who does not answer, tries again with back-off and jitter, and reads
its newest connection only. What it notes is for `faults.py`.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from earful.client.core import Speaker
from earful.protocol.messages import AudioChunk, Error, ServerMessage, Start, Started
from truth import Told
from voice import Voice, chunk_frame
from wire import PATH, PING, TEXT, Peer, dial, frame, upgrade_request

if TYPE_CHECKING:
    from earful.protocol.messages import ClientMessage, Final
    from fleet import Door

CHUNK_MS = 200
ATTEMPT_WITHIN_S = 2.0
PING_AFTER_S = 1.0
SILENT_AFTER_S = 2.0
"""Who says nothing for so long, though it was pinged, is given up."""
GONE_WITHIN_S = 5.0
"""After the last final the server closes."""
_LOOK_EVERY_S = 0.25
_FIRST_BACKOFF_S = 0.05
_LONGEST_BACKOFF_S = 1.0


@dataclass
class Tally:
    """What all clients together met."""

    resume_s: list[float] = field(default_factory=list)
    """From the beginning of an attempt that a live worker answered, to `started`."""
    since_fault_s: list[float] = field(default_factory=list)
    refused: int = 0
    """Connections that were refused, on TCP or by HTTP."""
    unanswered: int = 0
    errors: list[str] = field(default_factory=list)
    late_s: float = 0.0
    """How late a chunk was sent at the worst: beyond a part of a second this process was too slow to measure."""


class Line(Peer):
    """One connection of a caller."""

    def __init__(self, caller: Caller) -> None:
        """Use within a loop."""
        super().__init__()
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard_at = time.perf_counter()
        self._caller = caller

    def leave(self) -> None:
        """Close it, if it ever stood."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Any sign of life counts."""
        self.heard_at = time.perf_counter()
        super().data_received(data)

    def heard(self, message: bytes, now: float) -> None:
        """Hand it on, unless another line is newer."""
        self._caller.hear(self, message, now)


class Caller:
    """Client `number`; `finals` is what it has in the end."""

    def __init__(self, number: int, door: Door, tally: Tally, *, hangs_up: bool = True) -> None:
        """`hangs_up`: what is given up is closed; else it is left as it stands, as where a network has died."""
        self.speaker = Speaker(Start())
        self.voice = Voice(number, CHUNK_MS)
        self.abandoned: list[Line] = []
        self._door = door
        self._tally = tally
        self._hangs_up = hangs_up
        self._line: Line | None = None
        self._lost_at = 0.0
        self._began_at = 0.0
        self._attempts = number

    @property
    def finals(self) -> list[Told]:
        """In the form of `truth.py`."""
        return [_told(final) for final in self.speaker.finals]

    async def run(self, chunks: int, began: float) -> None:
        """Say so many chunks from `began` (seconds of `time.perf_counter`) on, then `stop`; until all is answered."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._speak(chunks, began))
            tasks.create_task(self._stay_connected())

    def drop(self) -> None:
        """Lose the connection, if there is one."""
        if self._line is not None:
            self._line.leave()

    def hear(self, line: Line, text: bytes, now: float) -> None:
        """Take in a message of the newest line."""
        if line is not self._line:
            return
        message = msgspec.json.decode(text, type=ServerMessage)
        self.speaker.receive(message)
        self._send(line)
        if isinstance(message, Started) and not line.started.done():
            self._note_started(now)
            line.started.set_result(None)
        elif isinstance(message, Error):
            self._tally.errors.append(message.code)

    async def _speak(self, chunks: int, began: float) -> None:
        for nth in range(chunks):
            due = began + nth * CHUNK_MS / 1000
            await asyncio.sleep(due - time.perf_counter())
            self._tally.late_s = max(self._tally.late_s, time.perf_counter() - due)
            self.speaker.speak(self.voice.pcm(nth))
            self._send(self._line)
        self.speaker.stop()
        self._send(self._line)

    async def _stay_connected(self) -> None:
        backoff_s = 0.0
        while not self.speaker.is_complete:
            await asyncio.sleep(backoff_s * random.uniform(0.5, 1))
            line = await self._dial()
            if line is None:
                backoff_s = min(_LONGEST_BACKOFF_S, 2 * backoff_s or _FIRST_BACKOFF_S)
                continue
            backoff_s = 0.0
            await self._watch(line)
            if not self.speaker.is_complete:
                self._give_up(line)
        if self._line is not None:
            await asyncio.wait({self._line.gone}, timeout=GONE_WITHIN_S)
            self._line.leave()

    async def _dial(self) -> Line | None:
        """A connection on which the session has begun, or goes on; None where the attempt came to nothing."""
        line = Line(self)
        self._began_at = time.perf_counter()
        self._attempts += 1
        try:
            async with asyncio.timeout(ATTEMPT_WITHIN_S):
                await dial(line, self._door.port(self._attempts))
                line.write(upgrade_request(PATH + ("?resume=1" if self.speaker.cursor else "")))
                await line.upgraded
                self._line = line
                self.speaker.connected()
                self._send(line)
                both: set[asyncio.Future[Any]] = {line.started, line.gone}
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            self._tally.unanswered += 1
        except OSError:
            self._tally.refused += 1
        if line.started.done():
            return line
        self._give_up(line)
        return None

    async def _watch(self, line: Line) -> None:
        """Until the line is gone, does not answer, or nothing is left to say."""
        pinged_at = 0.0
        while not line.gone.done() and not self.speaker.is_complete:
            await asyncio.wait({line.gone}, timeout=_LOOK_EVERY_S)
            now = time.perf_counter()
            if now - line.heard_at < PING_AFTER_S:
                pinged_at = 0.0
            elif not pinged_at:
                line.send(PING)
                pinged_at = now
            elif now - pinged_at >= SILENT_AFTER_S:
                return

    def _give_up(self, line: Line) -> None:
        """Go on without it."""
        self._line = None
        self._lost_at = time.perf_counter()
        self.speaker.lost()
        if line.upgraded.done() and not line.upgraded.cancelled():
            line.upgraded.exception()  # Asked for here, so that nobody misses the asking.
        if self._hangs_up or not line.started.done():
            line.leave()
        elif not line.gone.done():
            self.abandoned.append(line)

    def _note_started(self, now: float) -> None:
        if self.speaker.attempt:
            self._tally.resume_s.append(now - self._began_at)
            self._tally.since_fault_s.append(now - self._door.fault_before(self._lost_at))

    def _send(self, line: Line | None) -> None:
        for message in self.speaker.take_messages():
            if line is not None:
                line.write(_frame(message))


def _frame(message: ClientMessage) -> bytes:
    if isinstance(message, AudioChunk):
        return chunk_frame(message.data, message.sequence or 0)
    return frame(TEXT, msgspec.json.encode(message))


def _told(final: Final) -> Told:
    return Told(final.index, final.text, final.start_ms, final.end_ms, final.reason, final.last)
