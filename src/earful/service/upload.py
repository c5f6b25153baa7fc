"""A recording to text: a session fed by its decoder, piece by piece, with whole utterances side by side.

The same line as a live session from `Session.receive` on. At most `UPLOAD_LANES` utterances are with the
model at once and at most `max_buffered_ms` of PCM waits behind them, however long the recording is.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

from earful.errors import EarfulError, ErrorCode
from earful.models.types import SessionInfo
from earful.protocol.messages import AudioChunk, Error, Final, Stop
from earful.service.thread import in_thread, in_thread_of
from earful.session.session import Session

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from earful.audio.container import Decoder
    from earful.decoding.decoders import Decoders
    from earful.engine.engine import Engine
    from earful.engine.seat import Seat
    from earful.models.types import Outcome, Work
    from earful.service.registry import RegistryLimits

UPLOAD_LANES = 4
"""Utterances of one upload that the model works on side by side, each with an object of its own."""
PIECE_S = 1.0
"""Audio decoded and judged between two turns of the event loop."""
_FOREVER_S = float("inf")
_SENTENCES = {
    ErrorCode.MODEL_FAILED: "The speech model failed on this recording.",
    ErrorCode.MODEL_TIMEOUT: "The speech model took too long over this recording.",
}


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What one recording may decode to."""

    max_upload_s: float = 14_400.0
    max_decoded_bytes: int = 4 << 30


class Upload:
    """One recording on its way through the model; `run` once."""

    def __init__(
        self,
        upload_id: str,
        limits: RegistryLimits,
        caps: UploadLimits,
        decoders: Decoders,
        engine: Engine,
        *,
        words: bool = False,
    ) -> None:
        """Listen by the rules of live sessions, without the limits that only live ones need."""
        unhurried = replace(
            limits.session, idle_timeout_s=_FOREVER_S, max_session_s=_FOREVER_S, max_speed=0.0, max_chunk_ms=1 << 40
        )
        self.segments: list[Final] = []
        self.session = Session(upload_id, limits.rules, unhurried, time.monotonic())
        self.session.info = SessionInfo(upload_id, words=words)
        self._caps = caps
        self._decoders = decoders
        self._engine = engine
        self._seat: Seat = engine.seat(self.session.info)
        self._news = asyncio.Event()
        self._failure: ErrorCode | None = None
        self._fault: Exception | None = None
        """A bug of ours, met while an answer was taken in."""

    async def run(self, file: BinaryIO) -> None:
        """Transcribe `file`; afterwards `segments` are its utterances in order.

        Raises EarfulError: `not_audio`, `no_decoder`, `too_large`, `overloaded`, `model_failed`, `model_timeout`.
        """
        try:
            await self._feed(file)
        finally:
            self._seat.close()

    async def _feed(self, file: BinaryIO) -> None:
        async with await in_thread(self._decoders.place_for, file) as threads:
            await self._hear(file, threads)
        self.session.receive(Stop(), time.monotonic())
        self._pump()
        while self.session.closing is None:
            await self._wait()
        self._check()

    async def _hear(self, file: BinaryIO, threads: Executor | None) -> None:
        """Decode it all in one of these threads, no faster than the model takes it."""
        with ExitStack() as held:
            decoder = await in_thread_of(threads, self._open, file, held)
            self.session.use_format(decoder.format, lanes=UPLOAD_LANES)
            while pcm := await in_thread_of(threads, decoder.read, PIECE_S):
                self.session.receive(AudioChunk(pcm), time.monotonic())
                self._pump()
                self._check()
                while not self.session.wants_input:
                    await self._wait()

    def _open(self, file: BinaryIO, held: ExitStack) -> Decoder:
        """Open a decoder that is `held` at once: who waits for it may be cancelled, and would never have it."""
        caps = self._caps
        decoder = self._decoders.open(file, max_s=caps.max_upload_s, max_bytes=caps.max_decoded_bytes)
        return held.enter_context(decoder)

    async def _wait(self) -> None:
        """Wait for the model; the engine answers every work by its deadline."""
        self._check()
        self._news.clear()
        await self._news.wait()
        self._check()

    def _check(self) -> None:
        """Raise what the model failed with, or we: it may have been told while the decoder was waited for."""
        if self._fault is not None:
            raise self._fault
        if self._failure is not None:
            raise EarfulError(self._failure, _SENTENCES[self._failure])

    def _deliver(self, work: Work, outcome: Outcome) -> None:
        try:
            self.session.deliver(work, outcome)
            self._pump()
        except Exception as fault:  # noqa: BLE001 - the engine calls this; whoever runs the upload is to hear of it
            self._fault = fault
        self._news.set()

    def _pump(self) -> None:
        while (work := self.session.take_work()) is not None:
            self._seat.submit(work, self._deliver)
        for message in self.session.take_messages():
            if isinstance(message, Final) and not (message.last and message.start_ms == message.end_ms):
                self.segments.append(message)
            elif isinstance(message, Error):
                self._failure = ErrorCode(message.code)
