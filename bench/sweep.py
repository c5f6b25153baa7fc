"""A client that leaves after its n-th message, sent or received, for every n of a full conversation.

Each n is tried by FIN, RST and close frame, and at several pauses after the message, so that the
server is met idle, before the model's answer and behind it. Used by `leaving.py --sweep`.
"""

from __future__ import annotations

import asyncio
import struct
from itertools import product
from typing import TYPE_CHECKING

from crowd import START, STOP
from voice import Voice
from wire import CLOSE, TEXT, Peer, connect, frame

if TYPE_CHECKING:
    from report import Report

CHUNK_MS = 500
CHUNKS = 14
PAUSES_S = (0.0, 0.02, 0.06, 0.3)
GOODBYES = ("FIN", "RST", "close")
AT_ONCE = 40
END_WITHIN_S = 30.0
_SEND_EVERY_S = 0.02
_FLUSH = b'{"type":"flush","id":"x"}'


def conversation(number: int) -> list[bytes]:
    """All that a client says, as frames: start, audio with a flush in its midst and at its end, stop."""
    voice = Voice(number, CHUNK_MS)
    chunks = [voice.message(nth) for nth in range(CHUNKS)]
    start, flush, stop = (frame(TEXT, text) for text in (START, _FLUSH, STOP))
    return [start, *chunks[: CHUNKS // 2], flush, *chunks[CHUNKS // 2 :], flush, stop]


class Leaver(Peer):
    """Says a conversation and leaves in the middle of it."""

    def __init__(
        self, *, after_sent: int = -1, after_received: int = -1, goodbye: str = "FIN", pause_s: float = 0
    ) -> None:
        """Leave `pause_s` after the so many-th message sent or received; -1 for never."""
        super().__init__()
        self._after_sent = after_sent
        self._after_received = after_received
        self._goodbye = goodbye
        self._pause_s = pause_s
        self.received = 0
        self.left = False

    async def converse(self, port: int, number: int) -> None:
        """Connect, talk, and be gone when this returns."""
        await connect(self, port)
        self._note(self.received == self._after_received)
        self._note(self._after_sent == 0)
        for nth, said in enumerate(conversation(number), start=1):
            if self.left or self.gone.done():
                break
            self.write(said)
            self._note(nth == self._after_sent)
            await asyncio.sleep(_SEND_EVERY_S if self._pause_s else 0)
        async with asyncio.timeout(END_WITHIN_S):
            await self.gone

    def heard(self, message: bytes, now: float) -> None:
        """Count."""
        del message, now
        self.received += 1
        self._note(self.received == self._after_received)

    def _note(self, is_time: bool) -> None:  # noqa: FBT001 - reads as a question at each call
        if is_time and not self.left:
            self.left = True
            if self._pause_s:
                asyncio.get_running_loop().call_later(self._pause_s, self._leave)
            else:
                self._leave()

    def _leave(self) -> None:
        if self.gone.done():
            return
        if self._goodbye == "RST":
            self.reset()
        elif self._goodbye == "close":
            self.send(CLOSE, struct.pack("!H", 1000))
        else:
            self.transport.close()


async def sweep(port: int, report: Report) -> None:
    """Leave after each message in each way; raises TimeoutError where the server does not let one go."""
    whole = Leaver(pause_s=PAUSES_S[1])
    await whole.converse(port, 0)
    sent = len(conversation(0))
    report.note("messages sent in all", sent)
    report.note("messages received in all", whole.received)
    leavers: list[Leaver] = []
    for goodbye, pause_s in product(GOODBYES, PAUSES_S):
        leavers += [Leaver(after_sent=n, goodbye=goodbye, pause_s=pause_s) for n in range(sent + 1)]
        leavers += [Leaver(after_received=n, goodbye=goodbye, pause_s=pause_s) for n in range(whole.received + 1)]
    for first in range(0, len(leavers), AT_ONCE):
        some = leavers[first : first + AT_ONCE]
        await asyncio.gather(*(leaver.converse(port, first + nth) for nth, leaver in enumerate(some)))
    report.note("conversations left", sum(leaver.left for leaver in leavers))
    report.note("conversations that ended first", sum(not leaver.left for leaver in leavers))
