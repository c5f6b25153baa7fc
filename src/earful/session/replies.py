"""What a session's client is to be told, in order, and how much of it there was. Pure.

`Session` writes, whoever drives it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.errors import MISTAKES_ALLOWED, EarfulError
from earful.protocol.messages import Error, Final, Partial, ServerMessage, error

if TYPE_CHECKING:
    from earful.session.numbers import Numbers


class Replies:
    """Messages that wait to be sent; results, errors and mistakes are counted in `numbers` and here."""

    __slots__ = ("_messages", "_mistakes", "_numbers")

    def __init__(self, numbers: Numbers) -> None:
        """Nothing was said."""
        self._messages: list[ServerMessage] = []
        self._mistakes = 0
        self._numbers = numbers

    def take(self) -> list[ServerMessage]:
        """Everything said since the last time."""
        messages, self._messages = self._messages, []
        return messages

    def tell(self, message: ServerMessage) -> None:
        """Say this next."""
        self._messages.append(message)
        if isinstance(message, Partial):
            self._numbers.partials += 1
        elif isinstance(message, Final):
            self._numbers.finals += 1
            self._numbers.speech_ms += message.end_ms - message.start_ms
        elif isinstance(message, Error):
            self._numbers.errors += 1

    def complain(
        self, mistake: EarfulError, number: int | None = None, *, fatal: bool = False, expected: int | None = None
    ) -> bool:
        """Say what was wrong; True where it was one counted mistake too many, which is fatal."""
        self._mistakes += mistake.row.counted
        too_many = mistake.row.counted and self._mistakes > MISTAKES_ALLOWED
        self.tell(error(mistake.code, text=mistake.text, fatal=fatal or too_many, sequence=number, expected=expected))
        return too_many
