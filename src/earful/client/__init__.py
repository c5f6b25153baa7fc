"""Clients of the wire protocol. They know the protocol, nothing of the server."""

from earful.client.client import Client, Options, speaking, transcribe
from earful.client.connecting import ClientError, ConnectError
from earful.client.results import AudioBufferFullError, Note, Reconnecting, Result, Resumed, SessionOverError
from earful.client.silence import Patience
from earful.protocol.messages import Error, Final, Flushed, Partial, Started

__all__ = [
    "AudioBufferFullError",
    "Client",
    "ClientError",
    "ConnectError",
    "Error",
    "Final",
    "Flushed",
    "Note",
    "Options",
    "Partial",
    "Patience",
    "Reconnecting",
    "Result",
    "Resumed",
    "SessionOverError",
    "Started",
    "speaking",
    "transcribe",
]
