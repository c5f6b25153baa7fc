"""`earful bench` as people run it: a process beside the server's, and Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.server import Running, await_true, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One server for all of them."""
    with running(mock_latency_ms=5) as server:
        yield server


def start(server: Running, *flags: str) -> subprocess.Popen[str]:
    """Start it against the server, its result as JSON on stdout."""
    return subprocess.Popen(
        [sys.executable, "-m", "earful", "bench", server.address.http, "--json", "-", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
    """What it came to, and what people are shown."""
    out, err = process.communicate(timeout=40)
    assert "Traceback" not in err
    tree: dict[str, Any] = json.loads(out)
    assert tree["exit_code"] == process.returncode
    assert tree["verdict"] == err.splitlines()[-1]
    return tree, err


def check(tree: dict[str, Any]) -> dict[str, Any]:
    """The only step, in which nothing went wrong; on a busy machine the generator may have been late, and says so."""
    steps: list[dict[str, Any]] = tree["steps"]
    (step,) = steps
    assert (0 if step["valid"] else 3) == tree["exit_code"], tree
    assert "" == step["trouble"]["sentence"]
    assert step["answered_share"] > 0.97
    return step


def test_everything_at_once(server: Running) -> None:
    """Streams that opt in and speak in turns, idle sessions, handshakes, and the server's process."""
    pid = str(server.process.pid)
    beside = ["--idle", "3", "--connect-rate", "20", "--pid", pid, "--duty", "0.5", "--start"]
    tree, table = result(start(server, "--streams", "10", "--seconds", "2", "--warmup-s", "1", *beside))
    step = check(tree)
    assert (3, 20, 40) == (step["idle"]["number"], step["handshakes"]["number"], step["handshakes"]["latency"]["count"])
    assert 0 < step["server"]["cpu_pct"] < 100
    assert step["server"]["resident_mb_end"] > 10
    assert "us/chunk" in table
    await_true(lambda: server.address.get("/v1/health")["active_sessions"] == 0)


@pytest.mark.parametrize("chunk_ms", [20, 1000])
def test_chunks_of_any_size(server: Running, chunk_ms: int) -> None:
    """The smallest and the largest."""
    chunk = ["--chunk-ms", str(chunk_ms), "--warmup-s", "1", "--seconds", "2"]
    step = check(result(start(server, "--streams", "5", *chunk))[0])
    assert pytest.approx(5 * 1000 / chunk_ms, rel=0.5) == step["chunks_per_s"]


def test_ctrl_c_shows_what_there_is(server: Running) -> None:
    """Exit code 130, and no session is left."""
    process = start(server, "--streams", "3", "--seconds", "3600", "--warmup-s", "0.1")

    def heard_ms() -> list[int]:
        listed = server.address.get("/v1/sessions")["sessions"]
        return [session["audio_ms"] for session in listed]

    await_true(lambda: len(heard_ms()) == 3 and min(heard_ms()) > 1000)
    process.send_signal(signal.SIGINT)
    tree, _ = result(process)
    assert (130, False, 1) == (process.returncode, tree["is_complete"], len(tree["steps"]))
    assert tree["verdict"].startswith("Interrupted.")
    await_true(lambda: server.address.get("/v1/health")["active_sessions"] == 0)


def test_ctrl_c_before_anything_was_measured_says_so(server: Running) -> None:
    """While the idle sessions still come."""
    process = start(server, "--idle", "50")
    await_true(lambda: server.address.get("/v1/health")["active_sessions"] > 3)
    process.send_signal(signal.SIGINT)
    tree, _ = result(process)
    assert (130, [], "Interrupted. Nothing was measured.") == (process.returncode, tree["steps"], tree["verdict"])


def test_a_recording_of_ones_own(server: Running, tmp_path: Path) -> None:
    """What cannot be spoken is one sentence, and nothing is measured."""
    (tmp_path / "text.wav").write_text("no recording")
    process = start(server, "--wav", str(tmp_path / "text.wav"))
    out, err = process.communicate(timeout=20)
    assert (1, "", 1) == (process.returncode, out, err.count("\n"))
    assert err.startswith("earful: ")
