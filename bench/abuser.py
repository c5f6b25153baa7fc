"""One badly behaved client in a process of its own, so that it slows the server's clients and not their clock.

    python bench/abuser.py KIND PORT     attacks for as many seconds as each line on stdin says

It sends as fast as the server reads, takes whatever comes back, and returns a tenth of a second after
it was thrown out. At the end of each attack it prints what it got through. Used by `abuse.py`.
"""

from __future__ import annotations

import json
import os
import random
import select
import socket
import sys
import time
from binascii import b2a_base64

from voice import Voice
from wire import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame, upgrade_request

KINDS = ("tiny", "long", "garbage", "pings", "parts", "closed", "stopped")
_RETURN_AFTER_S = 0.1
_NICENESS = 10
_BATCH = 64
_MANY = 16
"""So many batches of frames without a payload are about as long as one of the others."""
_OPENINGS = {
    "parts": frame(TEXT, first=0),
    "closed": frame(CLOSE, b"\x03\xe8"),
    "stopped": frame(TEXT, b'{"type":"stop"}'),
}
"""What goes before the flood: a message that never ends; the abuser's own close; what has the server close."""


def payload(kind: str) -> tuple[bytes, int]:
    """What this kind sends over and over, and how many messages that is."""
    if kind == "tiny":
        return frame(TEXT, b'{"type":"audio_chunk","data":"AA=="}') * _BATCH, _BATCH
    if kind == "long":
        return frame(
            TEXT, b'{"type":"audio_chunk","data":"%b"}' % b2a_base64(Voice(7, 10_000).pcm(0), newline=False)
        ), 1
    if kind == "pings":
        return frame(PING, b"are you there?") * _BATCH, _BATCH
    if kind == "parts":
        return frame(CONTINUATION, first=0) * (_MANY * _BATCH), _MANY * _BATCH
    if kind in {"closed", "stopped"}:
        return frame(PONG) * (_MANY * _BATCH), _MANY * _BATCH
    some = random.Random(1)
    rubbish = (frame(some.choice((TEXT, BINARY)), some.randbytes(some.randrange(400))) for _ in range(_BATCH))
    return b"".join(rubbish), _BATCH


class Attack:
    """Repeats a payload on one connection after another until its time is over."""

    def __init__(self, kind: str, port: int) -> None:
        """Nothing happens before `run`."""
        self._opening = _OPENINGS.get(kind, b"")
        self._payload, self._messages = payload(kind)
        self._port = port
        self.connections = 0
        self.messages = 0

    def run(self, seconds: float) -> None:
        """Attack for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.connections += 1
            with socket.create_connection(("127.0.0.1", self._port), timeout=5) as sock:
                sock.sendall(upgrade_request())
                sock.recv(4096)
                sock.sendall(self._opening)
                sock.setblocking(False)
                try:
                    self._flood(sock, end)
                except OSError:
                    time.sleep(_RETURN_AFTER_S)

    def _flood(self, sock: socket.socket, end: float) -> None:
        """Send until the time is over; OSError where the server has closed the connection."""
        unsent = memoryview(b"")
        while time.monotonic() < end:
            readable, writable, _ = select.select([sock], [sock], [], 0.1)
            if readable and not sock.recv(1 << 16):
                raise ConnectionResetError
            if writable:
                if not unsent:
                    unsent = memoryview(self._payload)
                    self.messages += self._messages
                unsent = unsent[sock.send(unsent) :]


def main() -> int:
    """Obey stdin until it ends."""
    kind, port = sys.argv[1], int(sys.argv[2])
    os.nice(_NICENESS)
    attack = Attack(kind, port)
    for line in sys.stdin:
        attack.connections = attack.messages = 0
        attack.run(float(line))
        print(json.dumps({"connections": attack.connections, "messages": attack.messages}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
