"""The resuming client's core on a raw socket: what it wants said is sent, what comes is taken in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from tests.support.raw import TEXT, Gone, RawSocket

from earful.protocol.messages import AudioChunk, ServerMessage

if TYPE_CHECKING:
    from tests.support.server import Address

    from earful.client.core import Speaker

RESUME_PATH = "/v1/transcribe/stream?resume=1"


def connect(speaker: Speaker, address: Address) -> RawSocket:
    """A new connection, and what is to be said on it first."""
    raw = RawSocket(address).upgrade(RESUME_PATH)
    assert 101 == raw.response.status
    speaker.connected()
    send(speaker, raw)
    return raw


def send(speaker: Speaker, raw: RawSocket) -> None:
    """All there is to be said now."""
    for message in speaker.take_messages():
        if isinstance(message, AudioChunk):
            raw.say_audio(message.data, message.sequence)
        else:
            raw.send(TEXT, msgspec.json.encode(message))


def hear(speaker: Speaker, raw: RawSocket, messages: int) -> Gone | None:
    """Take in so many messages, and say what there is to say after each; how the connection ended, if it did."""
    for _ in range(messages):
        try:
            message = raw.hear()
        except Gone as gone:
            speaker.lost()
            return gone
        speaker.receive(msgspec.convert(message, ServerMessage))
        send(speaker, raw)
    return None


def drop(speaker: Speaker, raw: RawSocket) -> None:
    """Lose the connection."""
    raw.reset()
    speaker.lost()
