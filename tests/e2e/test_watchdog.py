"""SIGUSR1 and stalls at a real server: with one worker and with several, while the loop moves and while it does not."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.raw import RawSocket
from tests.support.server import await_true, running
from tests.support.speech import OPENING, pieces

if TYPE_CHECKING:
    from tests.support.server import Running

pytestmark = pytest.mark.e2e

WITHIN_S = 60.0
STUCK = """
import time
from earful.models.mock import MockASRModel

HELD = []

def compute():
    # For 3 s of the processor's time, in one call that never lets go of the interpreter.
    print('{{"event": "computing"}}', flush=True)
    began = time.process_time()
    sum(range(5_000_000))
    sum(range(int(5_000_000 * 3 / (time.process_time() - began))))

class Model(MockASRModel):
    async def transcribe_chunk(self, audio):
        if not HELD:
            HELD.append(True)
            {hold}
        return await super().transcribe_chunk(audio)
"""
SLEEPS = "time.sleep(4)"
COMPUTES = "compute()"


def speak(server: Running) -> RawSocket:
    """A session whose model is called."""
    raw = RawSocket(server.address).upgrade()
    for piece in pieces(OPENING):
        raw.say_audio(piece)
    return raw


@pytest.mark.parametrize("hold", [SLEEPS, COMPUTES])
def test_a_stall_is_told_with_the_place_where_it_is(hold: str, tmp_path: Path) -> None:
    """Also where whoever computes lets no other thread run; and that it is over, with its length."""
    (tmp_path / "stuck.py").write_text(STUCK.format(hold=hold))
    allowed = {"event loop stalled", "event loop moves again"}
    with running(env={"PYTHONPATH": str(tmp_path)}, allowed=allowed, model="stuck:Model", exit_code=None) as server:
        raw = speak(server)
        stalled = server.log.wait_for("event loop stalled", WITHIN_S)
        assert "transcribe_chunk" in stalled["traceback"]
        assert "/stuck.py:" in stalled["traceback"]
        assert 1 == stalled["sessions"]
        assert "sweep 1" in stalled["tasks"]
        again = server.log.wait_for("event loop moves again", WITHIN_S)
        assert again["stalled_s"] >= 2
        raw.close()


def test_a_stopped_process_tells_of_no_stall() -> None:
    """It was suspended, and goes on as if nothing had been."""
    with running(allowed={"state asked for"}) as server:
        server.signal(signal.SIGSTOP)
        await_true(lambda: is_stopped(server.process.pid))
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(3.0)  # Longer than a stall must be; it does not end meanwhile.
        server.signal(signal.SIGCONT)
        assert 200 == server.address.request("GET", "/v1/health").status
        server.signal(signal.SIGUSR1)  # Whose answer comes after two looks: had they found a stall, it would be there.
        assert 0.0 == server.log.wait_for("state asked for", WITHIN_S)["stalled_s"]


def test_the_signal_has_stacks_and_state_told() -> None:
    """Of a server alone, which goes on."""
    with running(allowed={"state asked for"}) as server:
        server.signal(signal.SIGUSR1)
        told = server.log.wait_for("state asked for", WITHIN_S)
        assert {"sessions", "uploads", "in_flight", "waiting", "resident_bytes", "tasks", "traceback"} <= told.keys()
        assert 200 == server.address.request("GET", "/v1/health").status


def test_the_signal_shows_what_nobody_let_tell(tmp_path: Path) -> None:
    """Stacks are those of the signal's moment, though no other thread could run before the moment had passed."""
    (tmp_path / "stuck.py").write_text(STUCK.format(hold=COMPUTES))
    settings: dict[str, Any] = {"model": "stuck:Model", "exit_code": None}
    allowed = {"event loop stalled", "event loop moves again", "state asked for"}
    with running(env={"PYTHONPATH": str(tmp_path)}, allowed=allowed, **settings) as server:
        raw = speak(server)
        server.out.wait_for("computing", WITHIN_S)
        server.signal(signal.SIGUSR1)
        asked = server.log.wait_for("state asked for", WITHIN_S)
        assert " compute\n" in asked["traceback"]
        raw.close()


def test_a_supervisor_passes_the_signal_on() -> None:
    """To all its workers; a single one can be asked too."""
    with running(workers=2, allowed={"state asked for"}) as server:
        server.signal(signal.SIGUSR1)
        for slot in (0, 1):
            server.log.wait_for("state asked for", WITHIN_S, worker=slot)
        pid = server.log.wait_for("worker started", WITHIN_S, worker=1)["pid"]
        os.kill(pid, signal.SIGUSR1)
        await_true(lambda: told_by(server, 1) == 2)
        assert 1 == told_by(server, 0)


def told_by(server: Running, slot: int) -> int:
    """How often a worker told its state."""
    return sum((line["event"], line.get("worker")) == ("state asked for", slot) for line in server.log.events)


def is_stopped(pid: int) -> bool:
    """Whether a process stands still by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
