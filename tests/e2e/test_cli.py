"""The command line with a real server: starts that cannot succeed, and recordings that become text."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.house import BROKEN
from tests.support.server import PATHS, Running, running
from tests.support.sounds import speech, wav

import earful

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

pytestmark = pytest.mark.e2e

SENTENCE = speech(4.0)
BEGINNING = speech(1.0)


def run(
    *arguments: str, env: Mapping[str, str] | None = None, stdin: bytes = b"", folder: Path | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run `earful` to its end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EARFUL_")}
    return subprocess.run(
        [sys.executable, "-m", "earful", *arguments],
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
        cwd=folder,
        env={**kept, "PYTHONPATH": os.pathsep.join(PATHS), **(env or {})},
    )


# Starts that cannot succeed

CODE = """
raise_at_import = {at_import}
if raise_at_import:
    raise RuntimeError("no weights here")

class Model:
    @classmethod
    def load(cls, size=1):
        raise OSError("the weights are gone")
    def __init__(self, size=1): pass
    async def transcribe_chunk(self, audio): pass
    async def finalize(self): pass
"""


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        ([], {"EARFUL_PROT": "1"}, "EARFUL_PROT is not a setting of earful; the nearest is EARFUL_PORT."),
        (["--prot", "1"], {}, "--prot is not a flag of `earful serve`; the nearest is --port."),
        ([], {"EARFUL_PORT": "70000"}, "port is '70000' (environment EARFUL_PORT); it must be a whole number"),
        (["--vad-frame-ms", "15"], {}, "vad_frame_ms is '15' (flag --vad-frame-ms); it must be 10, 20 or 30."),
        (["--hangover-ms", "900"], {}, "hangover_ms must be smaller than endpoint_silence_ms"),
        (["--model-options", "{"], {}, "model_options is set (flag --model-options); it must be a JSON object."),
        (["--model", "nowhere:Model"], {}, 'there is no module "nowhere"; install it, or start where it lies.'),
        (["--store", "redis://:pass@word@:x"], {}, "The store's URL must name its hosts as host:port"),
        (["--store", "mongo://", "--workers", "2"], {}, "The store's URL begins with mongo; it must be memory, redis"),
        (["--redis-max-connections", "0"], {}, "it must be a whole number from 1 to 1000."),
        (["--model", "unknown"], {}, 'There is no model "unknown": use "faster-whisper", "mock", "moonshine"'),
        (
            ["--model", "raises:Model"],
            {},
            'The model "raises:Model" cannot be imported: RuntimeError: no weights here.',
        ),
        (["--model", "loads:Other"], {}, 'its module "loads" has no "Other".'),
        (["--model", "loads:Model", "--model-options", '{"colour": 1}'], {}, "does not take these model_options: "),
        (["--model", "loads:Model"], {}, '"loads:Model" could not be loaded: OSError: the weights are gone.'),
        (["--mock-latency-ms", "5", "--model", "loads:Model"], {}, "but only the model mock reads it"),
        (["--model-options", '{"latency_ms": -1}'], {}, "latency_ms and words_per_chunk must be 0 or more"),
        (["--host", "nobody.invalid"], {}, "The host 'nobody.invalid' is not known; choose another with --host."),
        (
            ["--host", "192.0.2.1"],
            {},
            "Cannot listen: 192.0.2.1 is no address of this machine; choose one with --host.",
        ),
        (["stray"], {}, "`earful serve` does not know what to do with 'stray'; it takes flags only."),
    ],
)
def test_a_start_that_cannot_succeed_is_one_sentence(
    arguments: list[str], env: dict[str, str], said: str, tmp_path: Path
) -> None:
    """Exit code 2; on stderr the log at most and one line for people, no traceback; nothing on stdout."""
    for name, at_import in (("raises", True), ("loads", False)):
        (tmp_path / f"{name}.py").write_text(CODE.format(at_import=at_import))
    port = [] if "EARFUL_PORT" in env else ["--port", "0"]
    check_refusal(run("serve", *port, *arguments, env=env, folder=tmp_path), said)


def test_a_port_in_use_is_one_sentence() -> None:
    """It says which, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = str(owner.getsockname()[1])
        sentence = f"port {port} on 127.0.0.1 is in use; stop what uses it, or choose another with --port."
        check_refusal(run("serve", "--port", port), sentence)


def check_refusal(done: subprocess.CompletedProcess[bytes], said: str) -> None:
    """Code 2, and one line for people that says this."""
    lines = [line for line in done.stderr.decode().splitlines() if not line.startswith("{")]
    assert (2, b"", 1) == (done.returncode, done.stdout, len(lines)), done
    assert lines[0].startswith("earful: ")
    assert said in lines[0]
    assert "Traceback" not in done.stderr.decode()


# Recordings


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One server for all of them."""
    with running(mock_latency_ms=5) as server:
        yield server


@pytest.fixture
def recording(tmp_path: Path) -> str:
    """The beginning of the sample's first sentence, as WAV."""
    path = tmp_path / "beginning.wav"
    path.write_bytes(wav(BEGINNING))
    return str(path)


def transcribe(server: Running, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run `earful transcribe --fast` against it."""
    return run("transcribe", *arguments, "--fast", "--url", server.address.http, stdin=stdin)


def messages_of(done: subprocess.CompletedProcess[bytes]) -> list[dict[str, Any]]:
    """The output as JSON lines."""
    assert (0, b"") == (done.returncode, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_finals_are_printed_with_their_times(server: Running, recording: str) -> None:
    """One a line; the words and times are the upload's of the same file."""
    segment = server.address.request("POST", "/v1/transcribe", wav(BEGINNING)).tree["segments"][0]
    done = transcribe(server, recording)
    assert (0, b"") == (done.returncode, done.stderr)
    times = f"0:{segment['start_ms'] / 1000:04.1f} \N{EN DASH} 0:{segment['end_ms'] / 1000:04.1f}"
    assert [f"[{times}] {segment['text']}"] == done.stdout.decode().splitlines()


def test_json_is_each_message_as_it_came(server: Running, tmp_path: Path) -> None:
    """Partials that make up the final, and the last final."""
    (tmp_path / "sentence.wav").write_bytes(wav(SENTENCE))
    heard = messages_of(transcribe(server, str(tmp_path / "sentence.wav"), "--json"))
    assert {"started", "partial", "final"} == {message["type"] for message in heard}
    first, last = [message for message in heard if message["type"] == "final"]
    assert "".join(message["text"] for message in heard if message["type"] == "partial") == first["text"]
    assert (True, "") == (last["last"], last["text"])


@pytest.mark.parametrize("body", [wav(BEGINNING), BEGINNING], ids=["wav", "raw"])
def test_standard_input_is_heard_too(server: Running, recording: str, body: bytes) -> None:
    """WAV or plain samples: the same finals as from the file."""
    texts = [
        [message["text"] for message in messages_of(done) if message["type"] == "final"]
        for done in (transcribe(server, recording, "--json"), transcribe(server, "-", "--json", stdin=body))
    ]
    assert texts[0] == texts[1]
    assert texts[0][0]


def test_what_cannot_be_read_is_one_sentence(server: Running, tmp_path: Path) -> None:
    """Exit code 1; the server is not even asked."""
    before = server.address.get("/v1/metrics")["total_requests"]
    (tmp_path / "text").write_text("only text, and much too long to be a header")
    for name in ("missing.wav", "text"):
        done = transcribe(server, str(tmp_path / name))
        assert (1, b"", 1) == (done.returncode, done.stdout, done.stderr.count(b"\n"))
        assert done.stderr.startswith(b"earful: ")
    assert before == server.address.get("/v1/metrics")["total_requests"]


def test_no_server_is_one_sentence(recording: str) -> None:
    """It says how to start one."""
    with socket.create_server(("127.0.0.1", 0)) as owner:
        port = owner.getsockname()[1]
    done = run("transcribe", recording, "--url", f"ws://127.0.0.1:{port}")
    assert (1, b"") == (done.returncode, done.stdout)
    assert b"start the server with `earful serve`" in done.stderr


def test_a_model_that_fails_is_told_and_the_end_still_comes(recording: str) -> None:
    """The session goes on after the error, so the last final comes and the code is 0."""
    with running(model=BROKEN, allowed={"model failed"}) as server:
        done = transcribe(server, recording, "--json")
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    assert 0 == done.returncode
    assert {"started", "error", "final"} == {message["type"] for message in heard}
    assert b"earful: the server says: The speech model failed on this audio" in done.stderr


def test_a_model_of_ones_own_runs_over_a_real_server(recording: str) -> None:
    """The example, by its name alone: how loud each 100 ms were, live and uploaded."""
    with running(model="loudness_model:Loudness", model_options={"block_ms": 200}) as server:
        heard = messages_of(transcribe(server, recording, "--json"))
        uploaded = server.address.request("POST", "/v1/transcribe", wav(BEGINNING)).tree
    assert uploaded["text"] == next(message["text"] for message in heard if message["type"] == "final")
    levels = [int(word) for word in uploaded["text"].split()]
    # 140 ms to 1 s, less the pre-roll before the beginning.
    assert 5 == len(levels)
    assert all(-90 <= level < 0 for level in levels)


def test_version_and_help() -> None:
    """For people who look around."""
    assert f"earful {earful.__version__}\n" == run("--version").stdout.decode()
    shown = run("--help").stdout.decode()
    assert all(command in shown for command in ("serve", "transcribe", "config"))
    assert 2 == run("nonsense").returncode
