"""What serving adds to a real model, whether live streams keep up with one, and what becomes of those too many.

    python bench/real_model.py --model moonshine --streams 8 --crowd 24 --workers 2 --seconds 45

A server hears the sample in real time on as many streams: how late each final came after the end of speech, of which
0.6 s are the silence that ends an utterance, and how much CPU it took, told by threads: the model's, which includes
what it runs again for fragments, and all others, which are the service. Then a crowd comes, one a second, while the
first streams go on: each is to keep up as well, or to be told `overloaded` at the door. Run it on a quiet machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import earful.session.session as compiled
from earful.models.loading import load_model
from report import Report
from speaker import Speaker, speech
from threads import Threads

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

READY_S = 60.0
IDLE_S = 8.0
STOP_S = 30.0
MOST_PERCENT = 3.0
MOST_LAG_S = 2.0
SPREAD_S = 7.0
"""All say the same: they begin at different times, or their sentences would end together."""
APART_S = 1.0
STAY_S = 20.0
"""How long the last of the crowd stays."""


async def alone(name: str) -> float:
    """CPU seconds of the model alone, in this process, for a second of speech, each sentence heard whole and once."""
    pcm, sentences = speech()
    model = load_model(name, {})
    await model.load()
    hearing = model.create()
    audio = [pcm[max(0, start - 200) * 32 : (end + 200) * 32] for start, end in sentences]
    began_s = time.process_time()
    for utterance in audio:
        await hearing.transcribe_chunk(utterance)
        await hearing.finalize()
    return (time.process_time() - began_s) / (sum(map(len, audio)) / 32_000)


@contextlib.contextmanager
def serving(model: str, workers: int) -> Iterator[tuple[int, int]]:
    """A server; its port and process. Its ladder is off: what is told apart here is what the door does."""
    command = [sys.executable, "-m", "earful", "serve", "--model", model, "--port", "0", "--log-format", "json"]
    command += ["--workers", str(workers), "--overload-lag-ms", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - this project's own
        try:
            yield _port(process, workers), process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _port(process: subprocess.Popen[str], workers: int) -> int:
    """Where it listens, once all workers are ready."""
    deadline_s, port = time.monotonic() + READY_S, 0
    for line in process.stderr or ():
        port = port or int((re.search(r'"port": ?(\d+)', line) or [0, 0])[1])
        workers -= '"event": "ready"' in line or '"event":"ready"' in line
        if workers == 0:
            return port
        if time.monotonic() > deadline_s:
            break
    raise SystemExit("the server did not become ready")


def spread(streams: int) -> list[float]:
    """When the first streams begin."""
    return [nth * 3.1 % SPREAD_S for nth in range(streams)]


async def speak(port: int, begins_s: Sequence[float], seconds: float) -> list[Speaker]:
    """A stream for each of these moments, all of them to the same end; what became of each."""
    until_s = time.monotonic() + seconds
    speakers = [Speaker(port, delay_s) for delay_s in begins_s]
    async with asyncio.TaskGroup() as tasks:
        for speaker in speakers:
            tasks.create_task(speaker.run(until_s))
    return speakers


def lag_s(speakers: Sequence[Speaker], share: float) -> float:
    """How late finals were, at most, for this share of them; endless where there was none."""
    lags_s = sorted(lag for speaker in speakers for lag in speaker.lags_s)
    return round(lags_s[int(len(lags_s) * share)], 2) if lags_s else float("inf")


def judge_load(report: Report, port: int, pid: int, streams: int, seconds: float) -> None:
    """What the first streams cost, and how late they were."""
    idle = Threads(pid)
    time.sleep(IDLE_S)
    report.note("idle CPU, ms a second", round(sum(idle.split()) / IDLE_S * 1000, 2))
    threads = Threads(pid)
    speakers = asyncio.run(speak(port, spread(streams), seconds))
    split, heard_s = threads.split(), sum(speaker.heard_s for speaker in speakers)
    report.note("CPU of the model, ms for a second of audio", round(split.model_s / heard_s * 1000, 2))
    report.note("CPU of the service, ms for a second of audio", round(split.service_s / heard_s * 1000, 2))
    report.most("1. the service adds, percent", round(100 * split.service_s / split.model_s, 2), MOST_PERCENT)
    report.note("finals", sum(len(speaker.lags_s) for speaker in speakers))
    report.note("final after the end of speech, p50, s", lag_s(speakers, 0.5))
    report.most("2. final after the end of speech, p95, s", lag_s(speakers, 0.95), MOST_LAG_S)
    report.equal("2. errors of the streams", _told(speakers), "none")


def judge_door(report: Report, port: int, streams: int, crowd: int) -> None:
    """What becomes of those who come when the model is busy already."""
    begins_s = spread(streams) + [SPREAD_S + nth * APART_S for nth in range(crowd)]
    speakers = asyncio.run(speak(port, begins_s, SPREAD_S + crowd * APART_S + STAY_S))
    let_in = [speaker for speaker in speakers if not speaker.refusal]
    refused = [speaker for speaker in speakers if speaker.refusal]
    report.note("streams let in, of all", f"{len(let_in)} of {len(speakers)}")
    report.note("refused", len(refused))
    report.equal("3. refused with", ", ".join({speaker.refusal for speaker in refused}) or "nobody", "overloaded")
    report.most("3. final of those let in, p95, s", lag_s(let_in, 0.95), MOST_LAG_S)
    report.equal("3. errors of those let in", _told(let_in), "none")


def _told(speakers: Sequence[Speaker]) -> str:
    return ", ".join(sorted(error for speaker in speakers for error in speaker.errors)) or "none"


def main() -> int:
    """Print a table with a verdict for each claim; 0 where all hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="moonshine")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--crowd", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=45)
    given = parser.parse_args()
    report = Report("real_model")
    report.note("load of the machine before", round(os.getloadavg()[0], 2))
    report.note("compiled", "no" if str(compiled.__file__).endswith(".py") else "yes")
    report.note("the model alone, CPU ms for a second of speech", round(asyncio.run(alone(given.model)) * 1000, 1))
    with serving(given.model, given.workers) as (port, pid):
        judge_load(report, port, pid, given.streams, given.seconds)
        judge_door(report, port, given.streams, given.crowd)
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
