"""WebRTC's voice activity detector: whether a frame of 10, 20 or 30 ms is speech.

Guarantees one fresh detector per object and no reading beyond a frame's end. Pure; called by the
session's cutter for every frame, with a new object at every mark.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from itertools import repeat
from struct import Struct
from typing import TYPE_CHECKING, Final, Protocol, cast

from earful.audio.pcm import NATIVE_RATE_HZ, NATIVE_SAMPLE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable


class _Library(Protocol):
    """What the C module of webrtcvad-wheels offers; it ships no types."""

    Error: type[Exception]

    def create(self) -> object: ...

    def init(self, detector: object, /) -> None: ...

    def set_mode(self, detector: object, mode: int, /) -> None: ...

    def process(self, detector: object, rate_hz: int, frame: bytes, samples: int, /) -> bool: ...


# The C module rather than `webrtcvad`: that asks importlib.metadata for its own version when imported, a tenth of
# a second of every start, and wraps each call once more.
_library: Final = cast("_Library", import_module("_webrtcvad"))
_MODES: Final = range(4)
_process: Final = _library.process
_Error: Final = _library.Error
_repeat: Final = repeat
_RATE_HZ: Final = repeat(NATIVE_RATE_HZ)
_FRAMES_AT_ONCE: Final = 64


class Vad:
    """One detector; it adapts to what it hears, so a mark needs a new one (a microsecond).

    `aggressiveness` is 0 (calls much speech) to 3 (calls little); raises ValueError for any other.
    """

    __slots__ = ("_detector",)

    def __init__(self, aggressiveness: int) -> None:
        """Begin with no idea of the background's noise."""
        if aggressiveness not in _MODES:  # The library's own refusal of a negative one is a SystemError.
            text = f"aggressiveness is 0 to 3, not {aggressiveness}"
            raise ValueError(text)
        self._detector = _library.create()
        _library.init(self._detector)
        _library.set_mode(self._detector, aggressiveness)

    def judge(self, pcm: bytes, at: int, frame_bytes: int) -> list[bool]:
        """Hear every whole frame of `pcm` from byte `at` on; whether each was speech.

        A frame has 10, 20 or 30 ms; raises ValueError for any other `frame_bytes`. What is less than a frame at
        the end is not heard. The length given to C is the slice's own: told a longer one it reads past the end.
        """
        verdicts: list[bool] = []
        count = (len(pcm) - at) // frame_bytes
        try:
            while count > 0:
                cut = min(count, _FRAMES_AT_ONCE)
                verdicts += self._process(_cut(frame_bytes, cut)(pcm, at), frame_bytes)
                at += cut * frame_bytes
                count -= cut
        except _Error:
            text = f"a frame is 320, 640 or 960 bytes, not {frame_bytes}"
            raise ValueError(text) from None
        return verdicts

    def _process(self, frames: tuple[bytes, ...], frame_bytes: int) -> list[bool]:
        """Hear these frames: one loop in C, not one of ours."""
        return list(
            map(_process, _repeat(self._detector), _RATE_HZ, frames, _repeat(frame_bytes // NATIVE_SAMPLE_BYTES))
        )


@lru_cache(maxsize=256)
def _cut(frame_bytes: int, count: int) -> Callable[[bytes, int], tuple[bytes, ...]]:
    """Cuts `count` frames out of PCM from a byte on."""
    return Struct(f"{frame_bytes}s" * count).unpack_from
