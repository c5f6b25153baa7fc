"""The cursors of one session: signed, one for each mark that its client is told of. Pure.

Made when a session has begun; `Transcript` asks it for finals and acks, `greeting` for `started`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.protocol.messages import Ack, Final

if TYPE_CHECKING:
    from earful.protocol.cursor import Cursor, Position
    from earful.protocol.seal import Seal

_GOES_ON = frozenset({"silence", "max_length", "flush"})
"""Why an utterance ended behind which there is something to resume."""


class Cursors:
    """Signs for one session; costs a microsecond a mark."""

    __slots__ = ("_origin", "_seal")

    def __init__(self, seal: Seal, origin: Cursor) -> None:
        """`origin` is any cursor of the session: they differ in their positions alone."""
        self._seal = seal
        self._origin = origin

    def at(self, mark: Position) -> str:
        """The cursor of a mark."""
        return self._seal.sign(self._origin.at(mark))

    def ack(self, mark: Position) -> Ack:
        """What tells a client of a mark without a final."""
        return Ack(self.at(mark), mark.sequence)

    def put_on(self, final: Final, mark: Position) -> None:
        """Give a final the cursor of the mark at its end, unless the session ends with it."""
        if final.reason in _GOES_ON:
            final.cursor, final.keep_from = self.at(mark), mark.sequence
