"""Users for locust: most speak the sample recording over a WebSocket, one in ten uploads a sentence of it.

    locust -f bench/locustfile.py --headless -u 100 -t 30s --host http://127.0.0.1:8000 [--shape ramp|sustained|spike]

Locust's report has a line for each thing that is waited for; where anything failed, or nobody was heard, or no upload
ended, its exit code is 1.
"""

from __future__ import annotations

import argparse
import io
import random
import time
import wave
from functools import cache
from typing import TYPE_CHECKING

from locust import HttpUser, LoadTestShape, User, between, events, task
from locust.runners import WorkerRunner

from conversation import FIRST, Conversation
from earful.audio.pcm import NATIVE_RATE_HZ, NATIVE_SAMPLE_BYTES
from earful.bench.recording import pcm_of_wav
from earful.bench.scenario.shape import ramp, spike, sustained
from earful.client.connecting import stream_url
from earful.samples import sample

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable

    from locust.argument_parser import LocustArgumentParser
    from locust.env import Environment

SHAPES = {"ramp": ramp, "sustained": sustained, "spike": spike}
UPLOAD = "upload"
UPLOAD_S = 5.0
UPLOAD_WITHIN_S = 10.0
_SPAWN_RATE = 50.0


def _within(kind: type[float], least: float, most: float) -> Callable[[str], float]:
    """What reads a flag's value; anything that is no number from `least` to `most` is refused."""

    def read(text: str) -> float:
        if not least <= (value := kind(text)) <= most:  # So nan is refused too.
            raise argparse.ArgumentTypeError(f"{text} is not from {least:g} to {most:g}")
        return value

    read.__name__ = kind.__name__  # It is in argparse's sentence about what is no number at all.
    return read


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]  # locust's own
def _add_arguments(parser: LocustArgumentParser) -> None:
    parser.add_argument("--shape", choices=sorted(SHAPES), default="sustained", help="How the number of users changes.")
    chunk, session = _within(int, 20, 1000), _within(float, 0.1, 14_400)
    parser.add_argument("--chunk-ms", type=chunk, default=100, help="Audio in each chunk, 20 to 1000.")
    parser.add_argument("--session-s", type=session, default=15.0, help="How long each session speaks, 0.1 to 14400.")


class Shape(LoadTestShape):
    """As many of `--users` as the scenario of this name has at each moment, for `--run-time`."""

    use_common_options = True

    def tick(self) -> tuple[int, float] | None:
        """How many users there are to be now; None at the end."""
        options = _options(self.runner.environment if self.runner else None)
        seconds, at_s = float(options.run_time or 60), time.perf_counter() - self.start_time
        if at_s >= seconds:
            return None
        shape = SHAPES[options.shape](options.num_users or 1, seconds)
        return max(1, round(shape.level(at_s))), _SPAWN_RATE


class Speaker(User):
    """Speaks for `--session-s`, pauses, and speaks again, each time from another place of the recording."""

    weight = 9
    wait_time = between(0.5, 2.0)

    @task
    def speak(self) -> None:
        """Hold one conversation."""
        options = _options(self.environment)
        chunks = _chunks(options.chunk_ms)
        number = max(1, round(options.session_s * 1000 / options.chunk_ms))
        first = random.randrange(len(chunks))
        spoken = [chunks[(first + nth) % len(chunks)] for nth in range(number)]
        Conversation(stream_url(self.host or ""), spoken, options.chunk_ms / 1000, self._note).hold()

    def _note(self, name: str, seconds: float, error: Exception | None) -> None:
        self.environment.events.request.fire(
            request_type="WS", name=name, response_time=seconds * 1000, response_length=0, exception=error, context={}
        )


class Uploader(HttpUser):
    """Uploads five seconds of the recording, again and again."""

    weight = 1
    wait_time = between(0.5, 2.0)

    @task
    def upload(self) -> None:
        """One file."""
        self.client.post("/v1/transcribe", data=_upload(), name=UPLOAD, timeout=UPLOAD_WITHIN_S)


@events.quitting.add_listener  # type: ignore[untyped-decorator]  # locust's own
def _fail_where_nothing_came(environment: Environment, **_: object) -> None:
    """Who is still waiting for an answer when the run ends has not failed yet; where all of a kind are, the run has."""
    runner = environment.runner
    if runner is None or isinstance(runner, WorkerRunner):
        return  # What all its processes came to knows their master.
    there = runner.final_user_classes_count or runner.user_classes_count
    for kind, method, awaited in ((Speaker, "WS", FIRST), (Uploader, "POST", UPLOAD)):
        if there.get(kind.__name__) and not environment.stats.get(awaited, method).num_requests:
            environment.process_exit_code = 1


def _options(environment: Environment | None) -> Namespace:
    if environment is None or environment.parsed_options is None:
        raise AssertionError("locust has read its command line before anybody runs")
    options: Namespace = environment.parsed_options
    return options


@cache
def _pcm() -> bytes:
    return pcm_of_wav(sample().read_bytes())


@cache
def _chunks(chunk_ms: int) -> list[bytes]:
    """The recording in whole chunks."""
    size = chunk_ms * NATIVE_RATE_HZ // 1000 * NATIVE_SAMPLE_BYTES
    pcm = _pcm()
    return [pcm[begin : begin + size] for begin in range(0, len(pcm) - size + 1, size)]


@cache
def _upload() -> bytes:
    """The recording's beginning as a WAV file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(NATIVE_SAMPLE_BYTES)
        recording.setframerate(NATIVE_RATE_HZ)
        recording.writeframes(_pcm()[: int(UPLOAD_S * NATIVE_RATE_HZ) * NATIVE_SAMPLE_BYTES])
    return file.getvalue()
