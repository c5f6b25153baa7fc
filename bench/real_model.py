"""What serving adds to a real model, and whether live streams keep up with one.

    python bench/real_model.py --model moonshine --streams 8 --workers 2 --seconds 45

First the model alone, in this process, hears the sample's sentences: its CPU for a second of audio. Then a server
hears the sample in real time on as many streams: how late each final came after the end of speech, of which 0.6 s are
the silence that ends an utterance, and how much CPU it took. The same with a model that waits and says nothing is the
service's own share, and with no stream at all what its processes cost for being there.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import wave
from typing import TYPE_CHECKING, Any, cast

from websockets.asyncio.client import connect

from earful.bench.process import ProcessTree
from earful.models.loading import load_model
from earful.samples import sample

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

CHUNK_MS = 100
BYTES_PER_MS = 32
READY_S = 60.0
IDLE_S = 8.0
STOP_S = 30.0


def speech() -> tuple[bytes, list[tuple[int, int]]]:
    """The sample's PCM, and where its sentences are, in ms."""
    with sample().open("rb") as file, wave.open(cast("io.BufferedReader", file)) as recording:
        pcm = recording.readframes(recording.getnframes())
    sentences = json.loads(sample("speech.json").read_text("utf-8"))
    return pcm, [(sentence["start_ms"], sentence["end_ms"]) for sentence in sentences]


async def alone(name: str) -> float:
    """CPU seconds of the model alone for a second of speech, each sentence heard whole."""
    pcm, sentences = speech()
    model = load_model(name, {})
    await model.load()
    hearing = model.create()
    audio = [pcm[max(0, start - 200) * BYTES_PER_MS : (end + 200) * BYTES_PER_MS] for start, end in sentences]
    began_s = time.process_time()
    for utterance in audio:
        await hearing.transcribe_chunk(utterance)
        await hearing.finalize()
    return (time.process_time() - began_s) / (sum(map(len, audio)) / 1000 / BYTES_PER_MS)


@contextlib.contextmanager
def serving(model: str, options: str, workers: int) -> Iterator[tuple[int, int]]:
    """A server; its port and process."""
    command = [sys.executable, "-m", "earful", "serve", "--model", model, "--model-options", options, "--port", "0"]
    command += ["--workers", str(workers), "--log-format", "json", "--overload-lag-ms", "0"]
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


class Stream:
    """One speaker: the sample over and over, in real time."""

    def __init__(self, port: int, delay_s: float) -> None:
        self._url = f"ws://127.0.0.1:{port}/v1/transcribe/stream"
        self._delay_s = delay_s
        self.lags_s: list[float] = []
        self.errors: list[str] = []
        self.heard_s = 0.0

    async def run(self, until_s: float) -> None:
        """Speak until then; refusals and errors are kept."""
        await asyncio.sleep(self._delay_s)
        try:
            async with connect(self._url) as socket, asyncio.TaskGroup() as tasks:
                began_s = time.monotonic()
                tasks.create_task(self._listen(socket, began_s))
                await self._speak(socket, began_s, until_s)
                await socket.send('{"type": "stop"}')
        except* OSError as group:
            self.errors += [str(error) for error in group.exceptions]

    async def _speak(self, socket: Any, began_s: float, until_s: float) -> None:
        pcm, nth = speech()[0], 0
        step = CHUNK_MS * BYTES_PER_MS
        while time.monotonic() < until_s:
            at = nth * step % (len(pcm) // step * step)
            data = base64.b64encode(pcm[at : at + step]).decode()
            await socket.send(json.dumps({"type": "audio_chunk", "data": data}))
            nth += 1
            self.heard_s = nth * CHUNK_MS / 1000
            await asyncio.sleep(max(0.0, began_s + self.heard_s - time.monotonic()))

    async def _listen(self, socket: Any, began_s: float) -> None:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "final" and message["text"]:
                self.lags_s.append(time.monotonic() - began_s - message["end_ms"] / 1000)
            elif message["type"] == "error":
                self.errors.append(message["code"])


async def load(port: int, pid: int, streams: int, seconds: float) -> dict[str, Any]:
    """Speak on so many streams, begun one after another; what came of it."""
    tree = ProcessTree(pid)
    before = tree.look()
    until_s = time.monotonic() + seconds
    speakers = [Stream(port, delay_s=nth * 3.1 % 7) for nth in range(streams)]
    async with asyncio.TaskGroup() as tasks:
        for speaker in speakers:
            tasks.create_task(speaker.run(until_s))
    after = tree.look()
    lags_s = sorted(lag for speaker in speakers for lag in speaker.lags_s)
    return {
        "finals": len(lags_s),
        "final_lag_p50_s": round(lags_s[len(lags_s) // 2], 2) if lags_s else None,
        "final_lag_p95_s": round(lags_s[int(len(lags_s) * 0.95)], 2) if lags_s else None,
        "errors": sorted(error for speaker in speakers for error in speaker.errors),
        "cpu_s_per_audio_s": round(after.cpu_since(before) / sum(speaker.heard_s for speaker in speakers), 4),
        "resident_mb": round(after.resident_bytes / 1e6),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="moonshine")
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=45)
    given = parser.parse_args()
    found: dict[str, Any] = {
        "load": os.getloadavg()[0],
        "alone_cpu_s_per_speech_s": round(asyncio.run(alone(given.model)), 4),
    }
    with serving(given.model, "{}", given.workers) as (port, pid):
        found[given.model] = asyncio.run(load(port, pid, given.streams, given.seconds))
    with serving("mock", '{"latency_ms": 150, "words_per_chunk": 0}', given.workers) as (port, pid):
        tree = ProcessTree(pid)
        before = tree.look()
        time.sleep(IDLE_S)
        found["idle_cpu_s_per_s"] = round(tree.look().cpu_since(before) / IDLE_S, 4)
        found["silent"] = asyncio.run(load(port, pid, given.streams, given.seconds))
    service, whole = found["silent"]["cpu_s_per_audio_s"], found[given.model]["cpu_s_per_audio_s"]
    found["service_percent_of_model"] = round(100 * service / max(1e-9, whole - service), 1)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
