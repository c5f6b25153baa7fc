"""One session of a locust user: a recording spoken in real time, and how long what it is owed took.

Guarantees an end: a deadline for every wait, one fault told at most. Spoken by `locustfile.py`, where sockets, threads
and sleeping are gevent's.
"""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.sync.client import ClientConnection

    Note = Callable[[str, float, Exception | None], None]
    """Takes what was measured, how many seconds it took, and what went wrong, if anything did."""

CONNECT, SESSION = "connect", "session"
FIRST, LAG, FINAL, LAST = "first partial", "partial lag", "final after end of speech", "last final after stop"
CONNECT_WITHIN_S = 10.0
LAST_FINAL_WITHIN_S = 10.0
SPEAKER_ENDS_WITHIN_S = 2.0
"""The socket is closed by then: whoever speaks sees it at the next chunk."""
_STOP = '{"type":"stop"}'


class SessionError(Exception):
    """A session did not go as it should; the text says what came instead."""


class Conversation:
    """Chunks of 16 kHz mono s16le, each `chunk_s` long, said to the server at `url`; `note` is told what that took."""

    def __init__(self, url: str, chunks: Sequence[bytes], chunk_s: float, note: Note) -> None:
        """Begin with nothing said."""
        self._url = url
        self._chunks = chunks
        self._chunk_s = chunk_s
        self._note = note
        self._began_s = 0.0
        self._has_partial = False

    def hold(self) -> None:
        """Connect, speak, and listen until the last final."""
        asked_s = time.perf_counter()
        try:
            socket = connect(self._url, open_timeout=CONNECT_WITHIN_S, close_timeout=2, compression=None, proxy=None)
        except (OSError, InvalidHandshake) as error:
            self._note(CONNECT, time.perf_counter() - asked_s, error)
            return
        self._began_s = time.perf_counter()
        self._note(CONNECT, self._began_s - asked_s, None)
        with socket:
            speaking = threading.Thread(target=self._speak, args=(socket,), daemon=True)
            speaking.start()
            fault = self._listen(socket)
        speaking.join(SPEAKER_ENDS_WITHIN_S)
        self._note(SESSION, time.perf_counter() - self._began_s, fault)

    def _speak(self, socket: ClientConnection) -> None:
        """Each chunk when it is due, by an absolute schedule."""
        try:
            for sequence, chunk in enumerate(self._chunks, start=1):
                time.sleep(max(0.0, self._due_s(sequence - 1) - time.perf_counter()))
                data = b64encode(chunk).decode("ascii")
                socket.send(f'{{"type":"audio_chunk","data":"{data}","sequence":{sequence}}}')
            socket.send(_STOP)
        except ConnectionClosed:
            return  # Whoever listens has seen it too, and tells.

    def _listen(self, socket: ClientConnection) -> Exception | None:
        """Take what comes up to the last final; what went wrong, if anything did."""
        ends_s = self._due_s(len(self._chunks)) + LAST_FINAL_WITHIN_S
        try:
            while True:
                message = json.loads(socket.recv(timeout=max(0.0, ends_s - time.perf_counter())))
                if message["type"] == "error":
                    return SessionError(message["code"])
                self._measure(message, time.perf_counter())
                if message.get("last"):
                    return None
        except TimeoutError:
            return SessionError("no last final")
        except ConnectionClosed as closed:
            return SessionError(f"closed with {closed.rcvd.code if closed.rcvd else 1006}")

    def _measure(self, message: dict[str, Any], now_s: float) -> None:
        if message["type"] == "partial":
            self._note(LAG, now_s - self._due_s(message["sequence"] - 1), None)
            if not self._has_partial:
                self._has_partial = True
                self._note(FIRST, now_s - self._spoken_s(message["start_ms"]), None)
        elif message.get("last"):
            self._note(LAST, now_s - self._due_s(len(self._chunks) - 1), None)
        else:
            self._note(FINAL, now_s - self._spoken_s(message["end_ms"]), None)

    def _spoken_s(self, at_ms: int) -> float:
        """When the chunk with this moment of the audio was due."""
        return self._due_s(int(at_ms / 1000 / self._chunk_s))

    def _due_s(self, chunk: int) -> float:
        return self._began_s + chunk * self._chunk_s
