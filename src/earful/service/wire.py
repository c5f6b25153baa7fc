"""The seam between a transport and the service: what each asks of the other, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from earful.errors import CloseCode

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from earful.service.admission import Admission, Entrance
    from earful.service.origin import Origin
    from earful.telemetry.events import Events


class Wire(Protocol):
    """One upgraded WebSocket, seen from the service. No method waits, raises or calls back."""

    def send(self, text: bytes) -> None:
        """Queue one text message (UTF-8)."""

    def close(self, code: int, reason: str) -> None:
        """Close after everything queued; bounded in time, whatever the peer does."""

    def abort(self) -> None:
        """Drop the connection now."""

    def ping(self) -> None:
        """Ask the peer for a sign of life; its pong arrives as `Connection.ponged`."""

    def pause_reading(self) -> None:
        """Read nothing more from the peer, and hand on nothing more of what was read, until `resume_reading`.

        Asked for while a message is handed on, the next one waits; otherwise one more may arrive.
        """

    def resume_reading(self) -> None:
        """Read again."""

    @property
    def unsent_bytes(self) -> int:
        """What was queued and has not been given to the kernel."""


class Talk(Protocol):
    """What goes on over an upgraded WebSocket, seen from the transport: a `Connection`. No method waits or raises."""

    def message(self, text: bytes | str) -> None:
        """A text frame came."""

    def audio(self, data: bytes) -> None:
        """A binary frame came."""

    def pinged(self) -> None:
        """A ping came; the transport answers it."""

    def ponged(self) -> None:
        """A pong came."""

    def writable(self) -> None:
        """The peer took everything that was queued."""

    def lost(self, reason: str, close_code: int = CloseCode.ABNORMAL, peer_code: int | None = None) -> None:
        """The socket is gone; with the code this side's close had, 1006 where it sent none, and the peer's, if any."""


class Door(Protocol):
    """Where a transport takes those who come: the `Registry`."""

    @property
    def entrance(self) -> Entrance | None:
        """Who is asked about each of them first; nobody where it is None."""

    @property
    def events(self) -> Events:
        """Where it is told who was refused."""

    @property
    def is_closed(self) -> bool:
        """Whether most who are new would be refused now; free of charge, and counts nothing."""

    def check(self, *, resuming: bool) -> None:
        """Raise EarfulError where `slot` would raise now."""

    def check_tenant(self, admission: Admission) -> None:
        """Raise EarfulError where `slot` would because of the tenant of one that is new."""

    def decide(self, session_id: str, admission: Admission) -> None:
        """Who has this slot, and was undecided, comes in as this; raises EarfulError where its tenant may not."""

    def slot(self, *, resuming: bool, admission: Admission) -> AbstractContextManager[str]:
        """A place while the scope lasts, and the session's id; raises EarfulError where there is none."""

    def connect(self, session_id: str, wire: Wire, origin: Origin, admission: Admission) -> Talk:
        """Begin to talk over an upgraded wire, in a slot that is held until it ends."""
