"""What a `Connection` asks of the transport that carries it. Both transports offer exactly this."""

from __future__ import annotations

from typing import Protocol


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
