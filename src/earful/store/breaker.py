"""Whether to try at all: after a failure one call a second, the probe, until one goes well.

So that nobody waits for a store that is away, again and again. Pure: the time is an argument. Used by `link.py`.
"""

from __future__ import annotations

PROBE_EVERY_S = 1.0


class Breaker:
    """Lets every call through while the last one went well."""

    def __init__(self) -> None:
        """Let the first call through."""
        self.available = True
        self._probe_at_s = 0.0

    def admits(self, now: float) -> bool:
        """Whether a call may be made; a probe that may is the only one for a second."""
        if self.available:
            return True
        if now < self._probe_at_s:
            return False
        self._probe_at_s = now + PROBE_EVERY_S
        return True

    def succeeded(self) -> None:
        """Let all calls through."""
        self.available = True

    def failed(self, now: float) -> None:
        """Let none through for a second, then a probe."""
        self.available = False
        self._probe_at_s = now + PROBE_EVERY_S
