"""A microphone as a recording: what a device hears waits in a bounded queue until the client takes it.

Guarantees that the device's thread never waits, that whoever gives up still gets what was heard before, and that audio
is lost only with an error. Used by `earful transcribe --mic`.
"""

from __future__ import annotations

from contextlib import contextmanager
from queue import Empty, Full, Queue
from typing import TYPE_CHECKING, Protocol

from earful.cli.recording import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from earful.cli.recording import Recording

MICROPHONE = "microphone"
"""What it is called where a recording would have a name."""
_MOST_PIECES = 200
"""About 20 s of what devices give at a time: longer than a reconnect takes that is none of an outage's."""
_LOOK_UP_S = 0.1
_SILENT_S = 5.0
"""A device gives audio all the time, also where nobody speaks; one that does not has gone."""


class Device(Protocol):
    """What hears."""

    def listen(self, hear: Callable[[bytes], None]) -> AbstractContextManager[None]:
        """While entered, call `hear` with 16 kHz mono s16le as it comes, from a thread; b"" where it ends by itself.

        Entering raises ReadError where there is nothing to listen to.
        """
        ...


class Microphone:
    """What was heard and not yet taken."""

    duration_ms: float | None = None

    def __init__(self) -> None:
        self._heard: Queue[bytes] = Queue(_MOST_PIECES)
        self._is_wanted = True
        self._has_overflown = False

    def hear(self, data: bytes) -> None:
        """Take in audio; never waits."""
        try:
            self._heard.put_nowait(data)
        except Full:
            self._has_overflown = True

    def read(self) -> bytes:
        """The next audio, b"" at the end; waits for it. Raises ReadError where there is none, or some was lost."""
        if self._has_overflown:
            raise ReadError("the server has not taken what it heard for too long")
        for _ in range(round(_SILENT_S / _LOOK_UP_S)):
            try:
                return self._heard.get(timeout=_LOOK_UP_S if self._is_wanted else 0)
            except Empty:
                if not self._is_wanted:
                    return b""
        raise ReadError(f"nothing has come from it for {_SILENT_S:.0f} s")

    def give_up(self) -> None:
        """Nobody wants more than was heard already."""
        self._is_wanted = False


@contextmanager
def open_microphone(device: Device) -> Iterator[Recording]:
    """What the device hears from now on; raises ReadError."""
    microphone = Microphone()
    with device.listen(microphone.hear):
        yield microphone
