"""The client's side of a session that can be resumed: what to send, what to keep, what counts. Pure.

Guarantees the client's duties of docs/protocol.md, Resuming, so that `finals` are those of an undisturbed run. A shell
brings what the application says and what comes over a connection, and sends what `take_messages` gives.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from earful.client.chunks import cut, longest_chunk_bytes
from earful.protocol.messages import (
    Ack,
    AudioChunk,
    ClientMessage,
    Final,
    Flush,
    Flushed,
    Partial,
    Resume,
    ServerMessage,
    Start,
    Started,
    Stop,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Flush(NamedTuple):
    """A flush without its answer yet, and the chunk it follows."""

    message: Flush
    after: int


class Speaker:
    """One session as its client has it, over any number of connections.

    `finals` are the utterances in order, `fragments` what was heard of later ones, `session_id` the session's.
    Audio is cut into chunks only when a server has said how long they may be; then they stay as they are while the
    session can be resumed. From the newest cursor's `keep_from` on it is kept; whoever speaks on while `is_full` keeps
    more than `max_kept_bytes`.
    """

    def __init__(self, start: Start, *, max_kept_bytes: int = 16 << 20) -> None:
        """`start` is the first connection's; later ones send its token again, and no more of it."""
        self.finals: list[Final] = []
        self.fragments: dict[int, str] = {}
        self.session_id = ""
        self.cursor = ""
        self.attempt = 0
        self._start = start
        self.max_kept_bytes = max_kept_bytes
        self._channels = 1 if start.channels is UNSET else start.channels
        self._kept: deque[tuple[int, bytes]] = deque()
        self._unsaid: deque[bytes | Flush] = deque()
        self._kept_bytes = 0
        self._next_sequence = 1
        self._flushes: list[_Flush] = []
        self._has_stopped = False
        self._longest_bytes = 0
        self._is_greeted = False
        self._begun_at = -1
        self._newest_heard = -1
        self._spoken_bytes = 0
        self._messages: list[ClientMessage] = []

    @property
    def kept_bytes(self) -> int:
        """Audio that may be asked for again."""
        return self._kept_bytes

    @property
    def done_bytes(self) -> int:
        """Audio that is done with: how far the session's position is at the first chunk that is kept."""
        return self._spoken_bytes - self._kept_bytes

    @property
    def is_promised(self) -> bool:
        """Whether an answer is due that must come whatever the audio is: `started`, `flushed` or the last final."""
        return not self.is_complete and (self._has_stopped or bool(self._flushes) or not self._is_greeted)

    @property
    def is_greeted(self) -> bool:
        """Whether this connection's `started` came."""
        return self._is_greeted

    @property
    def is_stuck(self) -> bool:
        """Whether this connection's server allows only shorter chunks than those that it would have to be told again.

        Then nothing more is said to it.
        """
        return self._is_greeted and not self._longest_bytes

    @property
    def is_full(self) -> bool:
        """Whether as much is kept as may be: time to wait for the server, or to give up."""
        return self._kept_bytes >= self.max_kept_bytes

    @property
    def is_complete(self) -> bool:
        """Whether everything up to `stop` is answered."""
        return bool(self.finals) and self.finals[-1].last

    # What the application says.

    def speak(self, data: bytes) -> None:
        """The next piece of audio, of any length."""
        self._unsaid.append(data)
        self._kept_bytes += len(data)
        self._spoken_bytes += len(data)
        self._say_unsaid()

    def flush(self, flush_id: str) -> None:
        """End the utterance here."""
        self._unsaid.append(Flush(flush_id))
        self._say_unsaid()

    def stop(self) -> None:
        """Nothing follows."""
        self._has_stopped = True
        if self._longest_bytes:
            self._messages.append(Stop())

    # What becomes of connections.

    def connected(self) -> None:
        """A new connection stands; of the one before nothing is read any more."""
        self._is_greeted = False
        if self.cursor:
            self.attempt += 1
            self._messages = [Start(token=self._start.token, resume=Resume(self.cursor, self.attempt))]
        else:
            # There is no session yet that could be resumed: all of it begins anew.
            self._unsay()
            self._messages = [self._start]

    def lost(self) -> None:
        """The connection is gone, and what was not sent yet will be sent on the next."""
        self._is_greeted = False
        self._longest_bytes = 0
        self._messages = []

    def receive(self, message: ServerMessage) -> bool:
        """Take in what the server says on the newest connection; whether the session has moved on by it.

        It has by what no connection brought before: a later beginning, a mark, a final, the answer to a flush, or a
        partial of a later chunk. A server that only repeats itself gets nobody further.
        """
        match message:
            case Started():
                return self._begin(message)
            case Partial():
                return self._hear(message)
            case Final():
                return self._conclude(message)
            case Ack(cursor, keep_from):
                return self._keep(cursor, keep_from)
            case Flushed(flush_id):
                return self._settle(flush_id)
            case _:
                return False

    def take_messages(self) -> list[ClientMessage]:
        """What is to be sent now, in order."""
        messages, self._messages = self._messages, []
        return messages

    def _say_unsaid(self) -> None:
        """Cut and number what the application has said, where it is known how."""
        while self._unsaid and self._longest_bytes:
            said = self._unsaid.popleft()
            if isinstance(said, Flush):
                self._flushes.append(_Flush(said, self._next_sequence - 1))
                self._messages.append(said)
            else:
                self._say_audio(said)

    def _say_audio(self, data: bytes) -> None:
        for piece in cut(data, self._longest_bytes):
            self._kept.append((self._next_sequence, piece))
            self._messages.append(AudioChunk(piece, self._next_sequence))
            self._next_sequence += 1

    def _unsay(self) -> None:
        """No number holds any more."""
        again = [said for said in self._replay(1) if isinstance(said, AudioChunk | Flush)]
        self._unsaid.extendleft(said.data if isinstance(said, AudioChunk) else said for said in reversed(again))
        self._kept.clear()
        self._flushes.clear()
        self._next_sequence = 1

    def _begin(self, started: Started) -> bool:
        is_further = started.next_sequence > self._begun_at
        self._is_greeted = True
        self._begun_at = max(self._begun_at, started.next_sequence)
        self.session_id = started.session_id
        self.fragments = {index: text for index, text in self.fragments.items() if index < started.next_index}
        if started.cursor is not UNSET:
            self._keep(started.cursor, started.next_sequence)
        if not self._longest_bytes:
            self._go_on(started)
        return is_further

    def _go_on(self, started: Started) -> None:
        """Say again what it wants to hear, then the rest; nothing where a chunk of it is too long for it."""
        longest_bytes = longest_chunk_bytes(started, self._channels)
        if not longest_bytes or any(len(data) > longest_bytes for _, data in self._kept):
            return
        self._longest_bytes = longest_bytes
        self._say_unsaid()
        self._messages = list(self._replay(started.next_sequence))  # With what has only now been cut.

    def _replay(self, next_sequence: int) -> Iterator[ClientMessage]:
        """Everything from this chunk on again, each unanswered flush behind the chunk it followed."""
        flushes = deque(self._flushes)
        while flushes and flushes[0].after < next_sequence:
            yield flushes.popleft().message
        for sequence, data in self._kept:
            yield AudioChunk(data, sequence)
            while flushes and flushes[0].after == sequence:
                yield flushes.popleft().message
        if self._has_stopped:
            yield Stop()

    def _keep(self, cursor: str, keep_from: int) -> bool:
        """All before `keep_from` is done with."""
        is_new = cursor != self.cursor
        self.cursor = cursor
        while self._kept and self._kept[0][0] < keep_from:
            self._kept_bytes -= len(self._kept.popleft()[1])
        return is_new

    def _settle(self, flush_id: str) -> bool:
        """The oldest flush of this name is answered; one that nobody asked, or that is answered, is nothing."""
        for nth, flush in enumerate(self._flushes):
            if flush.message.id == flush_id:
                del self._flushes[nth]
                return True
        return False

    def _hear(self, partial: Partial) -> bool:
        if partial.index < len(self.finals):
            return False
        before = "" if self._start.partials == "cumulative" else self.fragments.get(partial.index, "")
        self.fragments[partial.index] = before + partial.text
        is_newer = partial.sequence > self._newest_heard
        self._newest_heard = max(self._newest_heard, partial.sequence)
        return is_newer

    def _conclude(self, final: Final) -> bool:
        """Keep a final once: a replay may tell it again. One before which others are missing is not taken at all."""
        due = len(self.finals)
        if final.index > due:
            return False
        self.fragments.pop(final.index, None)
        if final.cursor is not UNSET and final.keep_from is not UNSET:
            self._keep(final.cursor, final.keep_from)
        if final.index < due:
            return False
        self.finals.append(final)
        return True
