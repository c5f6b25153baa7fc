"""What wrong keys cost a worker, beside what a session costs it, both as CPU time.

python bench/wrong_keys.py [--rounds 5] [--streams 200]

A thousand handshakes with a wrong key, each on a connection of its own; then sessions at real time, in 100 ms chunks.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile

from crowd import Stream, gather_crowd, speak
from framers import cpu_s
from report import Report, run
from serving import served
from wire import upgrade_request

TRIES = 1000
MOST_AT_ONCE = 50
SPOKEN_S = 20.0
SESSION_S = 300.0
"""What a session is taken to last."""
_WITHIN_S = 60.0


async def measure(rounds: int, neighbours: int) -> int:
    """Measure both; the exit code."""
    report = Report("wrong_keys")
    wrong = upgrade_request().replace(b"Host: bench", b"Host: bench\r\nX-Api-Key: wrong")
    with served() as server:
        streams = [Stream(number, 100) for number in range(neighbours)]
        await gather_crowd(streams, server.port)
        before_s = cpu_s(server.process.pid)
        await speak(streams, SPOKEN_S)
        session_s = (cpu_s(server.process.pid) - before_s) / neighbours / SPOKEN_S * SESSION_S
    with tempfile.NamedTemporaryFile("w") as keys, served(auth="static", auth_options={"file": keys.name}) as server:
        spent_s = []
        for _ in range(rounds):
            before_s = cpu_s(server.process.pid)
            async with asyncio.timeout(_WITHIN_S):
                await asyncio.gather(*(_try(server.port, wrong, TRIES // MOST_AT_ONCE) for _ in range(MOST_AT_ONCE)))
            spent_s.append(cpu_s(server.process.pid) - before_s)
    report.note(f"a session of {SESSION_S:g} s, CPU s", round(session_s, 3))
    report.most(f"{TRIES} wrong keys, CPU s", round(statistics.median(spent_s), 3), round(session_s, 3))
    return report.finish()


async def _try(port: int, request: bytes, times: int) -> None:
    for _ in range(times):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        answer = await reader.read()
        if not answer.startswith(b"HTTP/1.1 401 "):
            raise ValueError(f"a wrong key was answered {answer[:40]!r}")
        writer.close()


def main() -> int:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, default=200)
    wanted = parser.parse_args()
    return run(measure(wanted.rounds, wanted.streams))


if __name__ == "__main__":
    sys.exit(main())
