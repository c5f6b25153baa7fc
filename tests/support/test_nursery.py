"""A server that was forked is the one that a user would have started, and a test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.nursery import Infant
from tests.support.server import Running, await_true, running

if TYPE_CHECKING:
    from pathlib import Path

OBSERVER = """
import json, os, signal, sys, threading
from earful.models.mock_batch import MockBatchModel

class Observer(MockBatchModel):
    def __init__(self, told_in):
        super().__init__()
        with open("/proc/self/status") as lines:
            status = dict(line.strip().partition(":\\t")[::2] for line in lines)
        files = sorted(map(int, os.listdir("/proc/self/fd")))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        seen = {
            "arguments": sys.argv,
            "main": sys.modules["__main__"].__file__,
            "flags": list(sys.flags),
            "paths": sys.path,
            "folder": os.getcwd(),
            "environment": environment,
            "leads": os.getpgid(0) == os.getpid(),
            "files": [os.readlink(f"/proc/self/fd/{file}").partition("[")[0] for file in files[:-1]],
            "blocked, ignored, caught": [status[name] for name in ("SigBlk", "SigIgn", "SigCgt")],
            "threads": sorted(thread.name for thread in threading.enumerate()),
            "streams": [sys.stdout.encoding, sys.stdout.line_buffering, sys.stderr.line_buffering],
        }
        with open(told_in, "w") as told:
            json.dump(seen, told)
"""
"""A model that tells what a process can see of itself."""


def seen(folder: Path, *, is_true_start: bool) -> tuple[Any, Running]:
    """What a server sees of itself that is started in this folder, and the server, which has ended."""
    told = folder / "told.json"
    options = {"told_in": str(told)}
    with running(is_true_start=is_true_start, model="observer:Observer", model_options=options) as server:
        await_true(told.exists)
    found = json.loads(told.read_text("utf-8"))
    told.unlink()
    return found, server


def test_it_sees_what_a_users_sees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of arguments, environment, files, signals and where it is; the folder a test is in counts, as for any process."""
    (tmp_path / "observer.py").write_text(OBSERVER, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (true, its_server), (forked, our_server) = (seen(tmp_path, is_true_start=truly) for truly in (True, False))
    assert (subprocess.Popen, Infant) == (type(its_server.process), type(our_server.process))
    assert true == forked


def test_an_environment_that_is_read_early_asks_for_a_start() -> None:
    """Whoever has imported everything cannot read it any more."""
    with running(env={"MALLOC_ARENA_MAX": "3"}) as server:
        assert isinstance(server.process, subprocess.Popen)


def test_it_is_a_tests_own() -> None:
    """Signals reach it, its end is waited for no longer than asked, and told as often as asked."""
    with running(exit_code=-signal.SIGKILL) as server:
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(0.01)
        server.process.kill()
        assert [-signal.SIGKILL] * 2 == [server.process.wait(), server.process.wait(0)]
        with pytest.raises(ProcessLookupError):
            os.kill(server.process.pid, 0)
        server.process.kill()


def test_it_can_say_why_it_does_not_start() -> None:
    """What it said is in the failure, as its exit code would be."""
    with pytest.raises(AssertionError, match="no log line starting") as failure, running(port=-1):
        pass
    assert "port is '-1'" in str(failure.value)
