"""Secrets and settings replaced under live sessions: each step costs nobody a word."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.e2e.test_workers import workers_of
from tests.support.server import PATHS, await_true, running
from tests.support.speech import SPEECH, expected, pieces

from earful.client import Client, Final, speaking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.server import Running

pytestmark = pytest.mark.e2e

STEPS = ("old,new", "new,old", "new")
CLIENTS = 4


class Rotation:
    """Replaces the secret of a server step by step, while its clients speak: one step after so many of their finals."""

    def __init__(self, server: Running, file: Path, done: str) -> None:
        self._server = server
        self._file = file
        self._done = done
        self.told = 0

    async def advance(self) -> None:
        """Do the next step, and wait until it is done."""
        self._file.write_text(STEPS[self.told], "utf-8")
        self.told += 1
        self._server.signal(signal.SIGHUP)
        await asyncio.to_thread(
            await_true,
            lambda: sum(line["event"] == self._done for line in self._server.log.events) >= self.told,
            30,
        )


async def speak(address: str, gates: list[asyncio.Event], reached: list[asyncio.Semaphore]) -> list[Final]:
    """Say the whole sample; after each of its parts wait until the server's secret is another. The finals."""

    async def audio() -> AsyncIterator[bytes]:
        part_bytes = len(SPEECH) // (len(STEPS) + 1) // 2 * 2
        said = 0
        for piece in pieces(SPEECH):
            step = said // part_bytes
            said += len(piece)
            yield piece
            if said // part_bytes > step and step < len(gates):
                reached[step].release()
                await gates[step].wait()

    async with Client([address]) as client, speaking(client, audio()):
        return [result async for result in client if isinstance(result, Final)]


async def rotate(server: Running, file: Path, done: str) -> list[list[Final]]:
    """Replace the secret in all steps under speaking clients; what each was told."""
    gates = [asyncio.Event() for _ in STEPS]
    reached = [asyncio.Semaphore(0) for _ in STEPS]
    rotation = Rotation(server, file, done)
    async with asyncio.TaskGroup() as tasks:
        clients = [tasks.create_task(speak(server.address.ws, gates, reached)) for _ in range(CLIENTS)]
        for gate, reach in zip(gates, reached, strict=True):
            for _ in range(CLIENTS):
                await reach.acquire()
            await rotation.advance()
            gate.set()
    return [task.result() for task in clients]


@pytest.mark.parametrize(("workers", "done"), [(2, "all workers replaced"), (1, "settings read anew")])
def test_a_secret_is_rotated_under_live_sessions(tmp_path: Path, workers: int, done: str) -> None:
    """From the old to the new one, in steps: every final is that of a run without a drop."""
    file = tmp_path / "secret"
    file.write_text("old", "utf-8")
    with running(secret_file=file, workers=workers, max_speed=0) as server:
        told = asyncio.run(rotate(server, file, done))
        assert workers == len(workers_of(server, workers))
    wanted = [text for _, text, *_ in expected(SPEECH)]
    assert [wanted] * CLIENTS == [[final.text for final in finals if final.text] for finals in told]


def test_workers_get_the_settings_of_the_file_anew(tmp_path: Path) -> None:
    """A limit holds from the round on; what cannot be used replaces nobody."""
    file = tmp_path / "earful.toml"
    file.write_text("max_sessions = 7", "utf-8")
    unusable = "settings not read anew"
    with running("--config", str(file), workers=2, allowed={unusable, "settings need a restart"}) as server:
        before = workers_of(server, 2)
        assert 7 == server.address.get("/v1/health")["worker"]["max_sessions"]
        file.write_text("max_sessions = 0", "utf-8")
        server.signal(signal.SIGHUP)
        assert "max_sessions is 0 (file " in server.log.wait_for(unusable, 10)["error"]
        assert before == workers_of(server, 2)
        file.write_text("max_sessions = 9\nworkers = 3", "utf-8")
        server.signal(signal.SIGHUP)
        server.log.wait_for("all workers replaced")
        assert set(before.values()).isdisjoint(workers_of(server, 2).values())
        assert 9 == server.address.get("/v1/health")["worker"]["max_sessions"]


def test_a_terminal_that_is_gone_is_the_end() -> None:
    """SIGHUP then says that, also to a server alone: it drains, and ends."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "earful", "serve", "--port", "0", "--log-format", "json"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(PATHS)},
    )
    try:
        os.close(theirs)
        said = b""
        while b'"ready"' not in said:
            said += os.read(ours, 4096)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert 0 == process.wait(30)
    finally:
        process.kill()
        process.wait()
