"""A stream that speaks: one connection with a voice, and its account of what it is owed.

Guarantees that speaking allocates the frame and nothing else. Made by `step`, which says when.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.bench.frames import TEXT, frame
from earful.bench.peer import Answer, Peer

if TYPE_CHECKING:
    from earful.bench.ledger import Account
    from earful.bench.recording import Around
    from earful.bench.tally import Tally
    from earful.bench.voice import Voice

START = frame(TEXT, b'{"type":"start"}')


class Stream(Peer):
    """Says its voice's chunks one after another; `account` is there from the first one on."""

    __slots__ = ("_opts_in", "account", "voice")

    def __init__(self, request: bytes, tally: Tally, voice: Voice, *, opts_in: bool) -> None:
        """Begin inside a running loop; who opts in says `start` first."""
        super().__init__(request, tally)
        self._opts_in = opts_in
        self.voice = voice
        self.account: Account | None = None

    def is_owed(self) -> bool:
        """Whether an answer that counts may still come."""
        return self.is_open and self.account is not None and not self.account.is_settled()

    def switched(self) -> None:
        """Say `start` where that is wanted."""
        if self._opts_in:
            self.write(START)

    def speak(self, chunk: int, around: Around) -> bool:
        """Send the chunk of this number; False where the connection is gone."""
        if not self.is_open or self.account is None:
            return False
        self.account.sent = chunk + 1
        self.write(b"".join((around.before, self.voice.head(chunk), around.behind)))
        return True

    def heard(self, answer: Answer, now_s: float) -> None:
        """Settle what the answer covers."""
        if self.account is not None:
            self.account.answer(answer.sequence, now_s)
