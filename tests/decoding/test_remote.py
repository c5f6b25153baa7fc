"""A recording's process, from its worker's side: whatever it says, and where it says nothing."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from earful.decoding.messages import Said, say
from earful.decoding.remote import FailedError, NobodyError, RemoteDecoder
from earful.errors import EarfulError, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def lines() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The worker's end and the process'."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def test_a_process_that_never_began_is_none_of_the_recordings_doing(
    lines: tuple[socket.socket, socket.socket],
) -> None:
    """The line is closed."""
    ours, theirs = lines
    theirs.close()
    with pytest.raises(NobodyError):
        RemoteDecoder(ours)
    assert -1 == ours.fileno()


def test_a_process_that_ends_on_the_way_took_too_much(lines: tuple[socket.socket, socket.socket]) -> None:
    """Before the next wish, or in the middle of what it says."""
    ours, theirs = lines
    say(theirs, Said.BEGUN)
    say(theirs, Said.PCM)
    with RemoteDecoder(ours) as decoder:
        say(theirs, Said.PCM, b"ab")
        assert b"ab" == decoder.read(1.0)
        theirs.send(b"\1\0\0")
        theirs.close()
        for _ in range(2):
            with pytest.raises(EarfulError) as caught:
                decoder.read(1.0)
            assert ErrorCode.NOT_AUDIO is caught.value.code
            assert "more memory or time" in caught.value.text


def test_a_refusal_is_told_as_it_is(lines: tuple[socket.socket, socket.socket]) -> None:
    """Code and text."""
    ours, theirs = lines
    say(theirs, Said.BEGUN)
    say(theirs, Said.REFUSED, b"no_decoder\nInstall it.")
    with pytest.raises(EarfulError) as caught:
        RemoteDecoder(ours)
    assert (ErrorCode.NO_DECODER, "Install it.") == (caught.value.code, caught.value.text)


def test_a_fault_of_the_decoder_is_no_refusal(lines: tuple[socket.socket, socket.socket]) -> None:
    """Its type is all that is told."""
    ours, theirs = lines
    say(theirs, Said.BEGUN)
    say(theirs, Said.FAILED, b"KeyError")
    with pytest.raises(FailedError, match=r"^KeyError$"):
        RemoteDecoder(ours)
