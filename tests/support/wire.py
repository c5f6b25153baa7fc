"""A wire that records what a connection asks of it, and lets a test say how much is unsent."""

from __future__ import annotations

import json
from typing import Any


class RecordingWire:
    """A `Wire`. While `is_blocked`, what is sent stays unsent; `take` lets the peer read some of it."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.closed: tuple[int, str] | None = None
        self.is_blocked = False
        self.unsent_bytes = 0

    def send(self, text: bytes) -> None:
        """Record one message."""
        assert self.closed is None, "nothing is sent after the close"
        self.sent.append(json.loads(text))
        if self.is_blocked:
            self.unsent_bytes += len(text)

    def close(self, code: int, reason: str) -> None:
        """Record the close; there is one."""
        assert self.closed is None
        self.closed = (code, reason)

    def abort(self) -> None:
        """Record it."""
        self.calls.append("abort")

    def ping(self) -> None:
        """Record it."""
        self.calls.append("ping")

    def pause_reading(self) -> None:
        """Record it."""
        self.calls.append("pause")

    def resume_reading(self) -> None:
        """Record it."""
        self.calls.append("resume")

    def take(self, taken_bytes: int) -> None:
        """The peer reads so much."""
        self.unsent_bytes -= taken_bytes

    @property
    def types(self) -> list[str]:
        """The types of what was sent, in order."""
        return [message["type"] for message in self.sent]
