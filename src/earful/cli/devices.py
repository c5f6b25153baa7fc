"""What can be listened to: a sound card, through PortAudio (the extra `earful[mic]`), or a recording played as one.

Guarantees 16 kHz mono s16le, and ReadError with the reason where it cannot be had. Used by `earful transcribe --mic`.
"""

from __future__ import annotations

import importlib
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from earful.audio.pcm import MAX_RATE_HZ, NATIVE_RATE_HZ, Converter, Encoding, Format
from earful.cli.recording import ReadError, open_recording
from earful.client.plain import CHUNK_BYTES, CHUNK_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earful.cli.microphone import Device
    from earful.cli.recording import Recording

_FILE = "file:"
_ENDS_WITHIN_S = 5.0


def device_named(name: str | None) -> Device:
    """The device of a name or number, the machine's default for None, a recording for `file:PATH`."""
    if name is not None and name.startswith(_FILE):
        return PlayedFile(name.removeprefix(_FILE))
    return SoundCard(name)


class PlayedFile:
    """A recording that is heard as it would be spoken: each 100 ms when they are over."""

    def __init__(self, path: str, speed: float = 1.0) -> None:
        """`speed` is that of the clock: 2 plays twice as fast."""
        self._path = path
        self._piece_s = CHUNK_MS / 1000 / speed

    @contextmanager
    def listen(self, hear: Callable[[bytes], None]) -> Iterator[None]:
        """Play it while entered, then end."""
        over = threading.Event()
        with open_recording(self._path) as recording:
            player = threading.Thread(target=self._play, args=(recording, hear, over), name="played file")
            player.start()
            try:
                yield
            finally:
                over.set()
                player.join(_ENDS_WITHIN_S)

    def _play(self, recording: Recording, hear: Callable[[bytes], None], over: threading.Event) -> None:
        due = time.monotonic()
        waiting = b""
        while data := recording.read():
            waiting += data
            while len(waiting) >= CHUNK_BYTES:
                due += self._piece_s
                if over.wait(max(0.0, due - time.monotonic())):
                    return
                hear(waiting[:CHUNK_BYTES])
                waiting = waiting[CHUNK_BYTES:]
        if waiting:
            hear(waiting)
        hear(b"")


class SoundCard:
    """An input of this machine."""

    def __init__(self, name: str | None = None) -> None:
        """By its name, a part of it, or its number; the default input for None."""
        self._name = int(name) if name is not None and name.isdecimal() else name

    @contextmanager
    def listen(self, hear: Callable[[bytes], None]) -> Iterator[None]:
        """Hear while entered."""
        portaudio = _portaudio()
        try:
            rate_hz = self._rate_hz(portaudio)
            converter = Converter(Format(Encoding.PCM_S16LE, rate_hz, 1))

            def heard(data: Any, *_: object) -> None:
                if pcm := converter.feed(bytes(data)):
                    hear(pcm)

            stream = portaudio.RawInputStream(
                samplerate=rate_hz,
                blocksize=rate_hz * CHUNK_MS // 1000,
                device=self._name,
                channels=1,
                dtype="int16",
                callback=heard,
            )
        except (portaudio.PortAudioError, ValueError):
            raise ReadError(self._missing(portaudio)) from None
        with stream:
            yield

    def _rate_hz(self, portaudio: Any) -> int:
        """What the model hears where the card can do it, else what the card likes best."""
        with suppress(portaudio.PortAudioError):
            portaudio.check_input_settings(device=self._name, channels=1, dtype="int16", samplerate=NATIVE_RATE_HZ)
            return NATIVE_RATE_HZ
        return min(int(portaudio.query_devices(self._name, "input")["default_samplerate"]), MAX_RATE_HZ)

    def _missing(self, portaudio: Any) -> str:
        inputs = [f"{found['index']} {found['name']}" for found in portaudio.query_devices() if _hears(found)]
        if not inputs:
            return "this machine has none"
        wanted = "there is no default one" if self._name is None else f"{self._name} is none, or cannot be used"
        return f"{wanted}; with --device: {', '.join(inputs)}"


def _hears(device: Any) -> bool:
    return bool(device["max_input_channels"])


def _portaudio() -> Any:
    try:
        return importlib.import_module("sounddevice")
    except ImportError:
        raise ReadError("that needs pip install 'earful[mic]'") from None
    except OSError:
        raise ReadError("the PortAudio library is missing; on Debian and Ubuntu: apt install libportaudio2") from None
