"""A model that hears one call at a time and needs 200 ms for a second of audio: four speak, the fifth is refused.

Real sessions and a real engine in virtual time. Who is let in is answered in time; who is not, learns it at the door.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

from tests.service.worker import LIMITS, registered
from tests.support.clock import virtual_now
from tests.support.speech import BYTES_PER_MS, SPEECH, expected, finals, of_type, pieces
from tests.support.wire import RecordingWire

from earful.errors import EarfulError, ErrorCode
from earful.models.inference import Inference
from earful.models.mock import MockASRModel
from earful.models.rerun import RerunModel
from earful.models.types import TranscriptResult
from earful.models.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.service.connection import Connection
    from earful.service.registry import Registry

CHUNK_S = 0.1
ARRIVALS = 8
EVERY_S = 12.0
LATEST_S = 2.0


class OneAtATime(MockASRModel):
    """Busy for a fifth of the audio that it hears."""

    concurrency: int | None = 1

    def __init__(self) -> None:
        super().__init__(latency_ms=0)

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Take a fifth of its length."""
        await asyncio.sleep(len(audio) / BYTES_PER_MS / 1000 * 0.2)
        return await super().transcribe_chunk(audio)


class SideBySide(OneAtATime):
    """The same, with any number of calls at once: it waits for something, and is not busy."""

    concurrency = None


class VirtualThread(Inference):
    """One thread that computes in virtual time, a fifteenth of the audio that it is given, one call after another."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = asyncio.Lock()
        self._spent = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether somebody has his turn."""
        return self._turn.locked()

    @property
    def busy_s(self) -> float:
        """All turns so far."""
        return self._spent

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Take a turn."""
        async with self._turn:
            cost_s = len(args[0]) / BYTES_PER_MS / 1000 / 15
            await asyncio.sleep(cost_s)
            self._spent += cost_s
            return function(*args, **kwargs)


class HearsWholes(RerunModel):
    """Runs again over each open utterance where there is time, in its thread."""

    @classmethod
    def load(cls) -> None:
        """Begin at zero."""
        cls.inference = VirtualThread()

    def recognise(self, audio: bytes) -> TranscriptResult:
        """The mock's words."""
        heard = Voice(2)
        heard.hear(audio)
        return TranscriptResult(heard.finish(), is_final=True)


def voice(number: int, seconds: float) -> bytes:
    """Speech for so long, each session's its own."""
    begin = 3700 * number * BYTES_PER_MS
    return (SPEECH * 8)[begin : begin + int(seconds * 1000) * BYTES_PER_MS]


async def speak(connection: Connection, pcm: bytes) -> float:
    """In real time; then stop. The longest that any answer was late."""
    began, latest_s = virtual_now(), 0.0
    for nth, piece in enumerate(pieces(pcm)):
        await asyncio.sleep(max(0.0, began + nth * CHUNK_S - virtual_now()))
        connection.audio(piece)
        latest_s = max(latest_s, connection.lag_s)
    connection.message('{"type":"stop"}')
    return latest_s


class Hall:
    """Who came, one after another, and what became of them."""

    def __init__(self) -> None:
        self.wires: dict[int, RecordingWire] = {}
        self.refused: list[tuple[int, ErrorCode]] = []
        self.lags_s: list[float] = []
        self.load: float | None = None

    async def fill(self, registry: Registry) -> None:
        """Have somebody come every few seconds; all who are let in speak until the last has come."""
        registry.sweepers.append(registry.measure)
        sweeping = asyncio.create_task(registry.sweep_for_ever())
        async with asyncio.TaskGroup() as speakers:
            for nth in range(ARRIVALS):
                speakers.create_task(self._come(registry, nth))
                await asyncio.sleep(EVERY_S)
            self.load = registry.headroom.load_of(registry.taken)
        await asyncio.sleep(5)
        sweeping.cancel()
        await asyncio.wait({sweeping})

    async def _come(self, registry: Registry, nth: int) -> None:
        try:
            with registry.slot() as session_id:
                self.wires[nth] = RecordingWire()
                connection = registry.connect(session_id, self.wires[nth])
                connection.message('{"type":"start"}')
                pcm = voice(nth, (ARRIVALS - nth) * EVERY_S)
                self.lags_s.append(await speak(connection, pcm))
                while session_id in registry.connections:  # noqa: ASYNC110 - time is virtual, and the wire tells no one
                    await asyncio.sleep(CHUNK_S)
                assert expected(pcm) == finals(self.wires[nth].sent)
        except EarfulError as error:
            self.refused.append((nth, error.code))


def test_who_would_be_answered_late_is_refused_at_the_door() -> None:
    """Before anybody is: those within are answered as before."""
    hall, limits = Hall(), dataclasses.replace(LIMITS, max_sessions=100, max_model_load=0.9)
    registered(hall.fill, OneAtATime, limits=limits)
    let_in = len(hall.wires)
    assert 4 <= let_in <= 6  # They do not speak all of the time.
    assert [(nth, ErrorCode.OVERLOADED) for nth in range(let_in, ARRIVALS)] == hall.refused
    assert max(hall.lags_s) < LATEST_S
    assert hall.load is not None
    assert 0.7 < hall.load <= 0.95
    assert all(of_type("partial", wire.sent) for wire in hall.wires.values())


def test_a_model_that_says_in_which_threads_it_computes_is_known_to_be_full() -> None:
    """By their time, fragments included: those within have theirs, and finals in time; newcomers are refused."""
    hall, limits = Hall(), dataclasses.replace(LIMITS, max_sessions=100, max_model_load=0.9)
    registered(hall.fill, HearsWholes, limits=limits)
    let_in = len(hall.wires)
    assert 4 <= let_in <= 7  # A fifteenth, three times at most: it hears again what it had heard.
    assert [(nth, ErrorCode.OVERLOADED) for nth in range(let_in, ARRIVALS)] == hall.refused
    assert max(hall.lags_s) < LATEST_S
    assert all(of_type("partial", wire.sent) for wire in hall.wires.values())


def test_one_that_waits_for_something_refuses_nobody() -> None:
    """Its calls take time, and none from each other."""
    hall, limits = Hall(), dataclasses.replace(LIMITS, max_sessions=100, max_model_load=0.9)
    registered(hall.fill, SideBySide, limits=limits)
    assert (ARRIVALS, [], None) == (len(hall.wires), hall.refused, hall.load)


def test_switched_off_it_serves_late() -> None:
    """All are let in, and what they say is answered later and later: what the others are spared."""
    hall, limits = Hall(), dataclasses.replace(LIMITS, max_sessions=100)
    registered(hall.fill, OneAtATime, limits=limits)
    assert (ARRIVALS, []) == (len(hall.wires), hall.refused)
