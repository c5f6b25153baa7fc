"""`earful transcribe` over servers that die: the text is that of an undisturbed run, whatever happens between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.haproxy import haproxy
from tests.support.server import PATHS, ROOT, Address, Running, running
from tests.support.speech import SPEECH, expected, finals

from earful.access.keyfile import drawn_key, line_of
from earful.samples import sample

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

SECRET = {"EARFUL_SECRET": "the one secret of these servers"}
SETTINGS: dict[str, Any] = {"env": SECRET, "mock_latency_ms": 5, "max_speed": 10}
KILLED = {**SETTINGS, "exit_code": -signal.SIGKILL}
WITHIN_S = 30


@contextmanager
def transcribing(*arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[str]]:
    """`earful transcribe`, under way; killed where it is not done by then."""
    command = [sys.executable, "-m", "earful", "transcribe", *arguments]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=stdin, stdout=pipe, stderr=pipe, text=True, env=env) as process:
        try:
            yield process
        finally:
            process.kill()


def fast(*addresses: Address) -> list[str]:
    """The sample as fast as it may go, as JSON."""
    urls = [word for address in addresses for word in ("--url", address.http)]
    return ["--fast", "--json", *urls, str(sample())]


def hear(process: subprocess.Popen[str], *kinds: str) -> list[dict[str, Any]]:
    """Everything up to messages of these types, one after another."""
    heard: list[dict[str, Any]] = []
    assert process.stdout is not None
    for kind in kinds:
        heard.append(json.loads(process.stdout.readline()))
        while kind != heard[-1]["type"]:
            heard.append(json.loads(process.stdout.readline()))
    return heard


def check(process: subprocess.Popen[str], heard: list[dict[str, Any]], outages: int) -> None:
    """It ends well, with every final, and said once an outage that it goes on."""
    out, said = process.communicate(timeout=WITHIN_S)
    messages = heard + [json.loads(line) for line in out.splitlines()]
    assert (0, outages) == (process.returncode, said.count("connection lost, resuming")), said
    assert outages == len(said.splitlines()), said
    assert expected(SPEECH) == finals(messages)[: len(expected(SPEECH))]
    assert [True] == [message["last"] for message in messages if message.get("last")]


def kill(server: Running) -> None:
    """As nobody can prepare for."""
    server.signal(signal.SIGKILL)
    server.exit_code()


def test_another_server_goes_on() -> None:
    """Two addresses, one secret."""
    with (
        running(**KILLED) as first,
        running(**SETTINGS) as second,
        transcribing(*fast(first.address, second.address)) as process,
    ):
        heard = hear(process, "final", "final")
        kill(first)
        check(process, heard, outages=1)


def test_the_same_server_comes_back() -> None:
    """Twice, at the same address."""
    with running(**KILLED) as first, transcribing(*fast(first.address)) as process:
        heard = hear(process, "final")
        kill(first)
        with running(**{**KILLED, "port": first.address.port}) as second:
            heard += hear(process, "started", "final")
            kill(second)
            with running(**{**SETTINGS, "port": first.address.port}):
                check(process, heard, outages=2)


def test_a_server_that_stands_still_is_left() -> None:
    """Stopped, its sockets open; when it wakes up its session has gone elsewhere."""
    with (
        running(**SETTINGS) as first,
        running(**SETTINGS) as second,
        transcribing(*fast(first.address, second.address)) as process,
    ):
        heard = hear(process, "final", "final")
        first.signal(signal.SIGSTOP)
        heard += hear(process, "started")
        first.signal(signal.SIGCONT)
        check(process, heard, outages=1)


def test_a_balancer_finds_the_worker_that_lives() -> None:
    """HAProxy before two of them: whichever has the session is killed."""
    with (
        running(**{**SETTINGS, "exit_code": None}) as first,
        running(**{**SETTINGS, "exit_code": None}) as second,
        haproxy(first.address, second.address) as balancer,
        transcribing(*fast(balancer)) as process,
    ):
        heard = hear(process, "final", "final")
        owner = next(one for one in (first, second) if one.address.get("/v1/health")["active_sessions"])
        kill(owner)
        check(process, heard, outages=1)


@pytest.mark.parametrize("flags", [[], ["--plain"]])
def test_a_silent_input_is_not_waited_for(flags: list[str]) -> None:
    """Where the server has ended the session: nobody would hear what is still to come."""
    with (
        running(idle_timeout_s=1) as server,
        transcribing(*flags, "--url", server.address.http, "-", stdin=subprocess.PIPE) as process,
    ):
        assert process.stdin is not None
        os.write(process.stdin.fileno(), SPEECH[:3200])
        assert 1 == process.wait(WITHIN_S)
        assert process.stderr is not None
        assert "closed with 4008 idle_timeout: " in process.stderr.read()


def test_the_example_hears_what_it_is_given(tmp_path: Path) -> None:
    """Raw audio on its standard input, each sentence a line."""
    (tmp_path / "speech.raw").write_bytes(SPEECH)
    command = [sys.executable, str(ROOT / "examples" / "resuming_client.py")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)}
    with running(**SETTINGS) as server, (tmp_path / "speech.raw").open("rb") as audio:
        done = subprocess.run(
            [*command, server.address.http], stdin=audio, capture_output=True, env=env, timeout=WITHIN_S, check=False
        )
    assert (0, b"") == (done.returncode, done.stderr)
    assert [text for _, text, *_ in expected(SPEECH)] == done.stdout.decode().splitlines()


@pytest.mark.parametrize("way", [["--fast"], ["--fast", "--plain"], ["--upload"]])
def test_a_key_opens_a_server_that_asks_for_one(way: list[str], tmp_path: Path) -> None:
    """However the recording goes there; without it nobody is let in."""
    key = drawn_key()
    keys, own = tmp_path / "keys.toml", tmp_path / "own"
    keys.write_text(f"{line_of('acme', key)}\n", "utf-8")
    own.write_text(f"{key}\n", "utf-8")
    with running(auth="static", auth_options={"file": str(keys)}, mock_latency_ms=5, max_speed=0) as server:
        ends = []
        for flags in ([], ["--token-file", str(own)]):
            with transcribing(*way, *flags, "--url", server.address.http, str(sample())) as process:
                out, err = process.communicate(timeout=60)
                ends.append((process.returncode, bool(out)))
                assert key not in out + err
    assert [(1, False), (0, True)] == ends
