"""A microphone: what was heard is read, in order and to the last, and what cannot be read is said."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from earful.cli import microphone as module
from earful.cli.microphone import Microphone, open_microphone
from earful.cli.recording import ReadError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Speaking:
    """Says three things at once, then nothing."""

    @contextmanager
    def listen(self, hear: Callable[[bytes], None]) -> Iterator[None]:
        """Say them."""
        for data in (b"1", b"2", b"3"):
            hear(data)
        yield


def test_what_was_heard_is_read_also_after_giving_up() -> None:
    """Then it is over."""
    with open_microphone(Speaking()) as recording:
        assert b"1" == recording.read()
        recording.give_up()
        assert [b"2", b"3", b"", b""] == [recording.read() for _ in range(4)]
        assert None is recording.duration_ms


def test_audio_that_nobody_takes_is_an_error_not_a_loss() -> None:
    """And the device never waits."""
    microphone = Microphone()
    for _ in range(module._MOST_PIECES + 1):
        microphone.hear(b"x")
    with pytest.raises(ReadError, match="has not taken"):
        microphone.read()


def test_a_device_that_gives_nothing_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is audio, too."""
    monkeypatch.setattr(module, "_SILENT_S", 0.2)
    with pytest.raises(ReadError, match="nothing has come"):
        Microphone().read()
