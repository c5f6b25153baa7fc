"""Devices: a recording that is played, and a sound card behind a PortAudio of our own."""

from __future__ import annotations

import importlib
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self

import pytest
from tests.support.sounds import speech, wav

from earful.cli.devices import PlayedFile, SoundCard, device_named
from earful.cli.microphone import open_microphone
from earful.cli.recording import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CARD = {"index": 0, "name": "Card", "max_input_channels": 2, "default_samplerate": 96_000.0}
LOUD = {"index": 1, "name": "Loudspeaker", "max_input_channels": 0, "default_samplerate": 48_000.0}


class PortAudioError(Exception):
    """PortAudio's own."""


class Stream:
    """Gives half a second of silence when it is entered."""

    def __init__(self, *, samplerate: int, blocksize: int, callback: Callable[..., None], **_: Any) -> None:
        self.rate_hz = samplerate
        self._blocks = [bytes(blocksize * 2)] * 5
        self._callback = callback

    def __enter__(self) -> Self:
        """Speak."""
        for block in self._blocks:
            self._callback(memoryview(block), len(block) // 2, None, None)
        return self

    def __exit__(self, *_: object) -> None:
        """End."""


def portaudio(*found: dict[str, Any], rates_hz: tuple[int, ...] = (16_000,)) -> SimpleNamespace:
    """A PortAudio with these devices, the first of which can do these rates."""

    def query(device: object = None, kind: str | None = None) -> Any:
        if kind is None:
            return list(found)
        if not found or device not in {None, 0} or not found[0]["max_input_channels"]:
            raise PortAudioError("Error querying device -1")
        return found[0]

    def check(*, samplerate: int, **_: object) -> None:
        if samplerate not in rates_hz:
            raise PortAudioError("Invalid sample rate")

    return SimpleNamespace(
        PortAudioError=PortAudioError, query_devices=query, check_input_settings=check, RawInputStream=Stream
    )


def heard_by(card: SoundCard) -> bytes:
    """All that it gives."""
    with open_microphone(card) as microphone:
        microphone.give_up()
        return b"".join(iter(microphone.read, b""))


@pytest.mark.parametrize(("rates_hz", "least_bytes"), [((16_000,), 16_000), ((48_000,), 14_000)])
def test_a_card_gives_what_the_model_hears(
    rates_hz: tuple[int, ...], least_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it cannot do 16 kHz itself; a resampler keeps a little back."""
    monkeypatch.setitem(sys.modules, "sounddevice", portaudio(CARD, rates_hz=rates_hz))
    assert least_bytes <= len(heard_by(SoundCard())) <= 16_000


@pytest.mark.parametrize(
    ("name", "found", "said"),
    [
        (None, [], "this machine has none"),
        (None, [LOUD], "this machine has none"),
        ("7", [CARD, LOUD], "7 is none, or cannot be used; with --device: 0 Card"),
        ("Horn", [CARD], "Horn is none, or cannot be used; with --device: 0 Card"),
    ],
)
def test_no_card_is_a_reason(
    name: str | None, found: list[dict[str, Any]], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With those there are."""
    monkeypatch.setitem(sys.modules, "sounddevice", portaudio(*found, rates_hz=()))
    with pytest.raises(ReadError) as caught:
        heard_by(SoundCard(name))
    assert said == str(caught.value)


@pytest.mark.parametrize(
    ("trouble", "said"), [(ImportError(), r"pip install 'earful\[mic\]'"), (OSError(), "apt install libportaudio2")]
)
def test_what_is_not_installed_is_named(trouble: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra, or the library under it."""

    def fail(_: str) -> None:
        raise trouble

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(ReadError, match=said):
        heard_by(SoundCard())


def test_a_recording_is_heard_as_it_is(tmp_path: Path) -> None:
    """All of it, then its end."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav(speech(0.55)))
    device = device_named(f"file:{path}")
    assert isinstance(device, PlayedFile)
    with open_microphone(PlayedFile(str(path), speed=1_000)) as microphone:
        assert speech(0.55) == b"".join(iter(microphone.read, b""))


def test_a_recording_can_be_left(tmp_path: Path) -> None:
    """At once, however long it still is."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav(speech(20.0)))
    with open_microphone(PlayedFile(str(path))) as microphone:
        assert 3_200 == len(microphone.read())


def test_other_names_are_cards() -> None:
    """The default one, too."""
    assert all(isinstance(device_named(name), SoundCard) for name in (None, "3", "Card"))
