"""How much an upload may decode to: seconds and bytes, counted as they come out of the decoder.

Guarantees that the count is checked before anything more is made of a piece, so a small file that claims or
unfolds to hours is refused while decoding. Pure; called by `wavfile` and `ffmpeg`.
"""

from __future__ import annotations

from earful.errors import EarfulError, ErrorCode

# A sum of many fractions of a second may be off by this.
_ROUNDING_S = 1e-6


class Cap:
    """Counts one file's decoded seconds and bytes, and refuses the piece that goes over either."""

    __slots__ = ("_bytes", "_max_bytes", "_max_s", "_s")

    def __init__(self, max_s: float, max_bytes: int) -> None:
        """Allow `max_s` seconds and `max_bytes` bytes of samples, both inclusive, before resampling."""
        self._max_s = max_s
        self._max_bytes = max_bytes
        self._s = 0.0
        self._bytes = 0

    @property
    def is_untouched(self) -> bool:
        """Whether nothing was decoded yet."""
        return self._bytes == 0

    def foresee(self, claimed_s: float) -> None:
        """Refuse at once what says itself that it is too long, and only that; raises EarfulError(TOO_LARGE)."""
        self._check_length(claimed_s)

    def count(self, frames: int, rate_hz: int, size_bytes: int) -> None:
        """Count samples of all channels as decoded; raises EarfulError(TOO_LARGE) above a limit."""
        self._s += frames / rate_hz
        self._bytes += size_bytes
        self._check_length(self._s)
        if self._bytes > self._max_bytes:
            text = f"The recording decodes to more than the {self._max_bytes} bytes accepted here."
            raise EarfulError(ErrorCode.TOO_LARGE, text)

    def _check_length(self, seconds: float) -> None:
        if seconds > self._max_s + _ROUNDING_S:
            raise EarfulError(ErrorCode.TOO_LARGE, f"The recording is longer than the {self._max_s:g} s accepted here.")
