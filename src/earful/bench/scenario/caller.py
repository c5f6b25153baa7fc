"""A session that comes and goes: connects, speaks, says `stop`, and has its last final before it leaves.

Guarantees that it is counted as lost where it ends in any other way, unless it vanishes on purpose. Made and
paced by `performance`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from earful.bench.frames import TEXT, frame
from earful.bench.peer import Answer, Peer
from earful.bench.stream import START

if TYPE_CHECKING:
    from earful.bench.recording import Recording
    from earful.bench.scenario.talk import Talk
    from earful.bench.tally import Tally
    from earful.bench.voice import Voice

_STOP = frame(TEXT, b'{"type":"stop"}')
NO_LAST_FINAL = "no last final"


class Caller(Peer):
    """A voice on a connection; `talk` is there once it may speak."""

    __slots__ = ("_opts_in", "_silent_until", "gives_up_s", "is_counted", "stops_s", "talk", "vanishes", "voice")

    def __init__(self, request: bytes, tally: Tally, voice: Voice, *, opts_in: bool) -> None:
        """Begin inside a running loop; who opts in says `start` first."""
        super().__init__(request, tally)
        self._opts_in = opts_in
        self._silent_until: int | None = None
        self.voice = voice
        self.talk: Talk | None = None
        self.is_counted = True
        """False for one that reads slowly: its answers are late by its own fault."""
        self.vanishes = False
        """Whether it leaves without a word."""
        self.stops_s = math.inf
        """When its time is over."""
        self.gives_up_s = math.inf
        """When, having stopped, it no longer waits for its last final."""

    def switched(self) -> None:
        """Say `start` where that is wanted."""
        if self._opts_in:
            self.write(START)

    @property
    def is_speaking(self) -> bool:
        """Whether it is connected and has not stopped."""
        return self.is_open and self.gives_up_s == math.inf

    def speak(self, recording: Recording) -> bool:
        """Send the next chunk; False where the connection is gone."""
        if not self.is_speaking or self.talk is None:
            return False
        around = recording.around(self.talk.sent)
        self.write(b"".join((around.before, self.voice.head(self.talk.sent), around.behind)))
        self.talk.sent += 1
        if self.talk.sent == self._silent_until:
            self._read_again()
        return True

    def read_nothing(self, chunks: int) -> None:
        """Stop reading until so many more chunks were sent."""
        if self.transport is not None and self.talk is not None:
            self._silent_until = self.talk.sent + chunks
            self.transport.pause_reading()

    def stop(self, give_up_s: float) -> None:
        """Say that this was all, or vanish; `give_up_s` is when the last final is no longer waited for."""
        self.gives_up_s = give_up_s
        self._read_again()
        if self.vanishes:
            self.abort()
        else:
            self.write(_STOP)

    def give_up(self) -> None:
        """Wait no longer."""
        if self.transport is not None and not self._is_leaving:
            self.tally.lost[NO_LAST_FINAL] += 1
            self.abort()

    def is_owed(self) -> bool:
        """Whether an answer that counts may still come."""
        return self.is_open and self.is_counted and self.talk is not None and not self.talk.is_settled()

    def heard(self, answer: Answer, now_s: float) -> None:
        """Settle what the answer covers; after the last one the server may close."""
        if self.talk is not None and self.is_counted:
            self.talk.answer(answer.sequence, now_s)
            if answer.type == "final":
                self.talk.final(answer.start_ms, answer.end_ms, now_s)
        if answer.last:
            self._is_leaving = True

    def connection_lost(self, exc: Exception | None) -> None:
        """Close the account, too."""
        if self.talk is not None:
            self.talk.forget() if self.vanishes or not self.is_counted else self.talk.close()
        super().connection_lost(exc)

    def _read_again(self) -> None:
        if self.transport is not None and self._silent_until is not None:
            self._silent_until = None
            self.transport.resume_reading()
