"""A client, a network that breaks, and workers that share a secret and nothing else, in one synchronous loop.

`Journey` is what one client goes through: `steps` of it, chosen by whoever drives it. Every message that is
under way when the connection drops is lost, in both directions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.session.ear import RULES, Mock
from tests.session.talk import LIMITS, SEAL

from earful.client.core import Speaker
from earful.protocol.messages import Ack, ClientMessage, Error, Final, Flushed, ServerMessage, Start, Started
from earful.service.claims import LocalClaims
from earful.session.session import Session

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable

    from earful.models.types import Work
    from earful.protocol.cursor import Position
    from earful.session.rules import ListeningRules, SessionLimits

BEGAN_UNIX_S = 1_700_000_000
FLUSH = None
"""In a script: a flush, between chunks."""


@dataclass
class Line:
    """One connection: what is under way on it, the worker's session at its end, and the work its model has."""

    session: Session
    to_server: deque[ClientMessage] = field(default_factory=deque)
    to_client: deque[ServerMessage] = field(default_factory=deque)
    works: deque[Work] = field(default_factory=deque)
    mock: Mock = field(default_factory=Mock)


class Journey:
    """A client says `script` (chunks and flushes), then `stop`; `heard` is every message that reached it."""

    def __init__(
        self,
        script: Iterable[bytes | None],
        start: Start,
        rules: ListeningRules = RULES,
        limits: SessionLimits = LIMITS,
    ) -> None:
        self.speaker = Speaker(start)
        self.heard: list[ServerMessage] = []
        self.line: Line | None = None
        self.now = 0.0
        self.drops = 0
        self._connections = 0
        self._script = deque(script)
        self._flushes = 0
        self._has_stopped = False
        self._rules = rules
        self._limits = limits
        self._claims = LocalClaims(lambda: self.now)

    # The steps. Each does a little of what can happen, or nothing where it cannot.

    def connect(self) -> None:
        """To a worker that knows nothing of the session."""
        self.drop()
        unix_s = BEGAN_UNIX_S + int(self.now)
        self._connections += 1
        name = f"session {self._connections}"
        self.line = Line(Session(name, self._rules, self._limits, self.now, seal=SEAL, unix_s=unix_s))
        self.speaker.connected()

    def drop(self) -> None:
        """Lose the connection and all that is under way on it."""
        if self.line is not None:
            self.line.session.lose("connection_lost")
            self.line = None
            self.drops += 1
            self.speaker.lost()

    def say(self) -> None:
        """The application goes on, connected or not."""
        if self._script:
            data = self._script.popleft()
            if data is FLUSH:
                self._flushes += 1
                self.speaker.flush(f"flush {self._flushes}")
            else:
                self.speaker.speak(data)
        elif not self._has_stopped:
            self._has_stopped = True
            self.speaker.stop()

    def send(self) -> None:
        """A message arrives at the worker, unless it is held back."""
        if self.line is None:
            return
        self.line.to_server += self.speaker.take_messages()
        session = self.line.session
        if self.line.to_server and session.wants_input and session.closing is None:
            session.receive(self.line.to_server.popleft(), self.now)
            claim = session.take_claim()
            if claim is not None:
                session.claimed(self._claims.claim(claim), self.now)

    def answer(self) -> None:
        """The model answers one work."""
        if self.line is None:
            return
        session, works = self.line.session, self.line.works
        work = session.take_work()
        if work is not None:
            works.append(work)
        if works:
            session.deliver(works[0], self.line.mock.answer(works.popleft()))

    def hear(self) -> None:
        """A message arrives at the client; behind the last one the connection is closed."""
        if self.line is None:
            return
        line = self.line
        line.to_client += line.session.take_messages()
        if line.to_client:
            message = line.to_client.popleft()
            self._check(message)
            self.heard.append(message)
            self.speaker.receive(message)
        elif line.session.closing is not None:
            self.drop()

    # Drivers.

    def run(self, steps_between_drops: Iterable[int] = (), chance: random.Random | None = None) -> None:
        """Go on until all is answered, and drop the connection after each of these numbers of messages.

        Without `chance` everything happens in order, else in any order that can be.
        """
        for steps in steps_between_drops:
            self.connect()
            for _ in range(steps):
                self.step(chance)
                if self.speaker.is_complete:
                    return
        self.connect()
        while not self.speaker.is_complete:
            self.step(chance)
            self.now += 0.01
            assert self.line is not None, self.heard[-3:]

    def step(self, chance: random.Random | None = None) -> None:
        """Let something happen: everything in turn, or one thing."""
        doings = (self.say, self.send, self.answer, self.hear)
        for do in doings if chance is None else (chance.choice(doings),):
            do()

    def _check(self, message: ServerMessage) -> None:
        """What holds of each message: nobody is told of a fault, and a cursor overtakes nothing."""
        assert not isinstance(message, Error), message
        if isinstance(message, Started):
            assert SEAL.read(str(message.cursor)).position.sequence == message.next_sequence
            assert SEAL.read(str(message.cursor)).position.index == message.next_index
        elif isinstance(message, Final | Ack) and message.cursor:
            assert self._mark(message).sequence == message.keep_from
            finals = len(self.speaker.finals) + (
                isinstance(message, Final) and message.index == len(self.speaker.finals)
            )
            assert self._mark(message).index <= finals
        elif isinstance(message, Flushed):
            assert message.sequence < self.speaker._next_sequence

    @staticmethod
    def _mark(message: Final | Ack) -> Position:
        return SEAL.read(str(message.cursor)).position
