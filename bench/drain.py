"""SIGTERM in the midst of speech: everybody gets the finals that are owed.

    python bench/drain.py [--sessions 200]

What is owed is what the pure core says of the audio sent until about the signal: which chunk was the
last to be heard only the server knows, so any of the last few may have been it.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from typing import TYPE_CHECKING

from crowd import START, Stream, gather_crowd, speak, warm_up
from report import Report, progress, run
from serving import served
from truth import truth_of

if TYPE_CHECKING:
    from serving import Server

CHUNK_MS = 250
SPEECH_S = 12.0
DRAIN_S = 8.0
GONE_WITHIN_S = 15.0
RESTART = 1012
_ON_THEIR_WAY = 8
"""Chunks sent before the signal that the server may not have read when it came."""


async def measure(sessions: int) -> int:
    """Drain once; the exit code."""
    report = Report("drain")
    with served(drain_s=DRAIN_S, max_sessions=sessions + 10) as server:
        await warm_up(server.port)
        streams = [Stream(number, CHUNK_MS) for number in range(sessions)]
        await gather_crowd(streams[::2], server.port, START)
        await gather_crowd(streams[1::2], server.port)
        progress(f"{sessions} sessions speak, SIGTERM after {SPEECH_S:g} s")
        sent, took_s = await _speak_and_stop(streams, server)
        report.equal("exit code", server.stop(), 0)
        report.most("seconds from SIGTERM to the exit", round(took_s, 2), DRAIN_S)
        report.equal("faults in the log", len(server.faults()), 0)
        _judge(report, streams, sent)
    return report.finish()


async def _speak_and_stop(streams: list[Stream], server: Server) -> tuple[list[int], float]:
    """Speak until the server has gone; what each had sent at the signal, and the seconds from there to the exit."""
    talk = asyncio.create_task(speak(streams, SPEECH_S + GONE_WITHIN_S, lambda: server.process.poll() is None))
    await asyncio.sleep(SPEECH_S)
    sent, began = [stream.sent for stream in streams], time.perf_counter()
    server.process.send_signal(signal.SIGTERM)
    await talk
    took_s = time.perf_counter() - began
    async with asyncio.timeout(GONE_WITHIN_S):
        await asyncio.gather(*(stream.gone for stream in streams))
    return sent, took_s


def _judge(report: Report, streams: list[Stream], sent: list[int]) -> None:
    owed = sum(_got_what_is_owed(stream, at_signal) for stream, at_signal in zip(streams, sent, strict=True))
    report.equal("sessions with exactly the finals owed", owed, len(streams))
    drained = sum(stream.finals[-1].reason == "drain" for stream in streams if stream.finals)
    report.note("of them speaking when the signal came", drained)
    report.note("finals", sum(len(stream.finals) for stream in streams))
    told = sum(_is_told_rightly(stream, opted_in=stream.number % 2 == 0) for stream in streams)
    report.equal("told closing where opted in, error draining", told, len(streams))
    restarts = sum(stream.close_code == RESTART for stream in streams)
    report.equal("closed with 1012", restarts, len(streams))


def _got_what_is_owed(stream: Stream, at_signal: int) -> bool:
    possible = range(max(0, at_signal - _ON_THEIR_WAY), stream.sent + 1)
    for heard in sorted(possible, key=lambda chunks: abs(chunks - at_signal)):
        truth = truth_of(stream.voice, heard)
        truth.drain()
        if truth.finals == stream.finals:
            return True
    return False


def _is_told_rightly(stream: Stream, *, opted_in: bool) -> bool:
    kinds = [other["type"] for other in stream.others]
    is_draining = bool(stream.others) and stream.others[-1].get("code") == "draining"
    return is_draining and kinds == (["started", "closing", "error"] if opted_in else ["error"])


def main() -> int:
    """Read the command line and drain."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=200)
    return run(measure(parser.parse_args().sessions))


if __name__ == "__main__":
    sys.exit(main())
