"""`earful serve --workers N`: real processes under live sessions, killed, replaced and ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
from tests.e2e.test_cli import check_refusal, run
from tests.support.raw import RawSocket
from tests.support.server import Running, await_true, running
from tests.support.speech import OPENING, SENTENCE, expected, finals, of_type, pieces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.server import Address

pytestmark = pytest.mark.e2e

DIED = {"worker died"}


def workers_of(server: Running, number: int) -> dict[int, str]:
    """Ask until so many slots have answered that they are well; the id of the process in each."""
    found: dict[int, str] = {}

    def ask() -> bool:
        health = server.address.get("/v1/health")
        if health["status"] == "ok":
            found[health["worker"]["slot"]] = health["worker"]["id"]
        return len(found) >= number

    await_true(ask)
    return found


def pid_of(server: Running, slot: int) -> int:
    """The newest process in a slot."""
    lines = [line for line in server.log.events if line["event"] == "worker started" and line["worker"] == slot]
    return int(lines[-1]["pid"])


def opening(address: Address, number: int) -> list[RawSocket]:
    """So many plain sessions in the middle of a sentence."""
    clients = [RawSocket(address).upgrade() for _ in range(number)]
    for raw in clients:
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        raw.hear_until("partial")
    return clients


def hear_ends(clients: Sequence[RawSocket]) -> list[tuple[list[dict[str, Any]], int]]:
    """Hear all to their ends: the messages, and the close code."""
    ends = []
    for raw in clients:
        heard, gone = raw.hear_all()
        raw.close()
        ends.append((heard, gone.code))
    return ends


def check_drained(ends: Sequence[tuple[list[dict[str, Any]], int]]) -> None:
    """Each got the final it was owed, and was told to go."""
    for heard, code in ends:
        assert (1012, ["final", "error"]) == (code, [m["type"] for m in heard if m["type"] != "partial"])
        assert of_type("final", heard)[0]["text"]


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


# Serving


def test_each_worker_answers_and_says_that_it_is_one_of_several() -> None:
    """Health counts the worker's own; the log names the worker on each line, and says once what that means."""
    with running(workers=3) as server:
        assert 3 == len(set(workers_of(server, 3).values()))
        assert "worker" == server.address.get("/v1/health")["scope"]
        assert 3 == server.log.wait_for("starting")["workers"]
        server.log.wait_for("without a shared store each worker counts, limits and lists its own sessions")
    assert {0, 1, 2} == {line["worker"] for line in server.log.events if line["event"] == "stopped"}


# Deaths


def test_a_killed_worker_is_followed_and_harms_no_other() -> None:
    """Sessions elsewhere go on to their finals; its successor answers."""
    with running(workers=2, max_speed=0, allowed=DIED) as server:
        before = workers_of(server, 2)
        clients = opening(server.address, 24)  # All with one worker: once in eight million runs.
        os.kill(pid_of(server, 0), signal.SIGKILL)
        await_true(lambda: workers_of(server, 2)[0] != before[0])
        assert before[1] == workers_of(server, 2)[1]
        for raw in clients:
            go_on(raw)
        ends = hear_ends(clients)
    assert {1000, 1006} == {code for _, code in ends}
    for heard, code in ends:
        if code == 1000:
            assert expected(SENTENCE) == finals(heard)
    died = server.log.wait_for("worker died")
    assert (0, "SIGKILL", 0) == (died["worker"], died["cause"], died["retry_in_s"])


def go_on(raw: RawSocket) -> None:
    """Say the rest of the sentence, where somebody still listens."""
    try:
        for piece in pieces(SENTENCE[len(OPENING) :]):
            raw.say_audio(piece)
        raw.say("stop")
    except ConnectionError:
        pass


def test_who_connects_to_a_dead_worker_is_served_by_its_successor() -> None:
    """The connection waits in the slot's queue; nobody is refused."""
    with running(workers=2, allowed=DIED) as server:
        victim = pid_of(server, 0)
        os.kill(victim, signal.SIGSTOP)  # So that newcomers are in its queue, and it can take none of them.
        clients = [RawSocket(server.address) for _ in range(12)]
        os.kill(victim, signal.SIGKILL)
        assert {101} == {raw.upgrade().response.status for raw in clients}
        for raw in clients:
            raw.say("stop")
        assert {1000} == {code for _, code in hear_ends(clients)}


def test_a_worker_that_ends_by_itself_is_followed() -> None:
    """Somebody sent it SIGTERM: it drains, and another takes its slot; its signal never is a second one."""
    with running(workers=2, max_speed=0, allowed=DIED) as server:
        before = workers_of(server, 2)
        clients = opening(server.address, 8)
        for _ in range(3):
            os.kill(pid_of(server, 1), signal.SIGTERM)
        await_true(lambda: workers_of(server, 2)[1] != before[1])
        server.signal()
        check_drained(hear_ends(clients))
        assert 0 == server.exit_code()
        assert "exit code 0" == server.log.wait_for("worker died")["cause"]


# Starts


LOADING = """
from pathlib import Path
from earful.models.mock import MockASRModel

class Model(MockASRModel):
    @classmethod
    def load(cls, weights):
        Path(weights).read_text()

    def __init__(self, weights):
        super().__init__()
"""


def test_a_model_that_does_not_load_ends_the_start(tmp_path: Path) -> None:
    """One sentence and code 2, as with one worker; the same for one that is not there."""
    (tmp_path / "needing.py").write_text(LOADING)
    options = f'{{"weights": "{tmp_path}/none"}}'
    for model, said in (("needing:Model", "could not be loaded: FileNotFoundError"), ("no:Model", "no module")):
        flags = ["--workers", "3", "--port", "0", "--model", model, "--model-options", options]
        check_refusal(run("serve", *flags, folder=tmp_path), said)


def test_a_port_in_use_ends_the_start() -> None:
    """Also where its owner is of our kind, and would share it."""
    with running(workers=2) as server:
        flags = ["--port", str(server.address.port)]
        for workers in ("1", "2"):
            check_refusal(run("serve", "--workers", workers, *flags), "is in use; stop what uses it, or choose another")


# Replacing


@dataclass
class Callers:
    """Clients that come one after another, in threads, until the scope ends; what became of each."""

    address: Address
    statuses: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._call_again, args=(call,)) for call in (self._stream, self._ask)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _call_again(self, call: Any) -> None:
        while not self._is_over.is_set():
            try:
                call()
            except Exception as trouble:  # noqa: BLE001 - whatever it is, the test tells
                self.troubles.append(repr(trouble))

    def _stream(self) -> None:
        raw = RawSocket(self.address).upgrade()
        self.statuses.append(raw.response.status)
        raw.say("stop")
        self.codes.append(raw.hear_all()[1].code)
        raw.close()

    def _ask(self) -> None:
        self.statuses.append(self.address.request("GET", "/readyz").status)


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_all_are_replaced_and_nobody_is_refused(transport: str) -> None:
    """SIGHUP under load: whoever comes is served, whoever speaks gets their finals, and each worker is another."""
    with running(workers=3, max_speed=0, transport=transport) as server:
        before = workers_of(server, 3)
        clients = opening(server.address, 12)
        with Callers(server.address) as callers:
            await_true(lambda: len(callers.codes) > 20)
            server.signal(signal.SIGHUP)
            server.log.wait_for("all workers replaced")
        assert set() == set(before.values()) & set(workers_of(server, 3).values())
        check_drained(hear_ends(clients))
    assert [] == callers.troubles
    assert {101, 200} == set(callers.statuses)
    assert set(callers.codes) <= {1000, 1012}
    assert callers.codes.count(1012) < len(callers.codes) / 2


def test_who_has_just_connected_is_still_let_in() -> None:
    """Accepted by a worker that is about to be replaced, their requests come after it was told."""
    with running(workers=2) as server:
        silent = [RawSocket(server.address) for _ in range(12)]
        server.signal(signal.SIGHUP)
        await_true(lambda: sum(line["event"] == "worker started" for line in server.log.events) > 2)
        assert {101} == {raw.upgrade().response.status for raw in silent}
        server.log.wait_for("all workers replaced")
        assert {1012} == {code for _, code in hear_ends(silent)}


def test_a_kept_connection_is_closed_between_two_requests() -> None:
    """By a worker that is replaced: the next request goes to its successor."""
    with running(workers=2) as server:
        raw = RawSocket(server.address)
        raw.send_bytes(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while b'{"status":"ok"}' not in answer:
            answer += raw.socket.recv(4096)
        server.signal(signal.SIGHUP)
        assert b"" == raw.socket.recv(4096)
        server.log.wait_for("all workers replaced")
        raw.close()


CLINGING = """
import asyncio
from earful.models.mock import MockASRModel

class Model(MockASRModel):
    async def close(self):
        await asyncio.sleep(60)
"""


def test_a_worker_that_takes_all_the_time_it_may_is_not_killed(tmp_path: Path) -> None:
    """Somebody connected and asks nothing, its models do not close: it is replaced all the same, and ends by itself."""
    (tmp_path / "clinging.py").write_text(CLINGING)
    settings: dict[str, Any] = {"model": "clinging:Model", "drain_s": 0.1, "max_speed": 0, "workers": 2}
    with running(env={"PYTHONPATH": str(tmp_path)}, allowed={"drain ran out of time"}, **settings) as server:
        silent = [RawSocket(server.address) for _ in range(12)]
        clients = opening(server.address, 12)
        server.signal(signal.SIGHUP)
        server.log.wait_for("all workers replaced")
        assert {1012} == {code for _, code in hear_ends(clients)}
        assert {"exit code 0"} == {line["cause"] for line in server.log.events if line["event"] == "worker ended"}
        for raw in silent:
            raw.close()


def test_a_successor_that_cannot_load_leaves_the_old_one_in_place(tmp_path: Path) -> None:
    """Nobody notices; when the weights are back, the next round replaces all."""
    (tmp_path / "needing.py").write_text(LOADING)
    weights = tmp_path / "weights"
    weights.touch()
    settings: dict[str, Any] = {"model": "needing:Model", "model_options": {"weights": str(weights)}}
    stopped = "replacing stopped: a successor did not get ready"
    with running(workers=2, env={"PYTHONPATH": str(tmp_path)}, allowed={stopped, *DIED}, **settings) as server:
        before = workers_of(server, 2)
        weights.unlink()
        server.signal(signal.SIGHUP)
        server.log.wait_for(stopped, 10)
        assert before == workers_of(server, 2)
        weights.touch()
        server.signal(signal.SIGHUP)
        server.log.wait_for("all workers replaced")
        assert set() == set(before.values()) & set(workers_of(server, 2).values())


# The end


@pytest.mark.parametrize("way", ["SIGTERM", "Ctrl-C", "everybody", "POST /v1/drain"])
def test_the_end_gives_everybody_what_they_are_owed(way: str) -> None:
    """Whoever is told: the supervisor, the terminal's whole group, all processes of a service, or one worker."""
    with running(workers=2, max_speed=0) as server:
        clients = opening(server.address, 8)
        if way == "POST /v1/drain":
            assert 202 == server.address.request("POST", "/v1/drain").status
        elif way == "SIGTERM":
            server.signal()
        else:
            os.killpg(server.process.pid, signal.SIGINT if way == "Ctrl-C" else signal.SIGTERM)
        check_drained(hear_ends(clients))
        assert 0 == server.exit_code()


def test_while_it_drains_it_says_so() -> None:
    """As one worker does: newcomers are answered, not left waiting."""
    with running(
        workers=2, max_speed=0, drain_s=3, mock_latency_ms=60_000, allowed={"drain ran out of time"}
    ) as server:
        clients = [RawSocket(server.address).upgrade() for _ in range(12)]
        for raw in clients:
            for piece in pieces(OPENING):
                raw.say_audio(piece)
        server.signal()
        for slot in range(2):
            server.log.wait_for("draining", worker=slot)
        for _ in range(8):
            answer = server.address.request("GET", "/v1/health")
            assert (503, "draining") == (answer.status, answer.tree["status"])
        assert {1012} == {code for _, code in hear_ends(clients)}
        assert 0 == server.exit_code()


def test_a_second_signal_ends_all_within_a_second() -> None:
    """Code 1, and no process is left."""
    with running(workers=2, drain_s=60, max_speed=0, mock_latency_ms=60_000, exit_code=1) as server:
        pids = [pid_of(server, slot) for slot in range(2)]
        raw = RawSocket(server.address).upgrade()
        raw.say("start")
        raw.hear()
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        server.signal()
        raw.hear_until("closing")
        began = time.monotonic()
        server.signal()
        assert 1 == server.exit_code()
        assert time.monotonic() - began < 1.0
        assert [True, True] == [is_gone(pid) for pid in pids]
        raw.close()


def test_without_their_supervisor_workers_drain_and_end() -> None:
    """It was killed: everybody gets what they are owed, the port is free again, and no process is left."""
    with running(workers=2, max_speed=0, exit_code=-signal.SIGKILL, allowed={"supervisor is gone", *DIED}) as server:
        pids = [pid_of(server, slot) for slot in range(2)]
        clients = opening(server.address, 8)
        server.signal(signal.SIGKILL)
        check_drained(hear_ends(clients))
        await_true(lambda: all(is_gone(pid) for pid in pids))
        with running(port=server.address.port, workers=2):
            pass


STUCK = """
import time
from earful.models.mock import MockASRModel

class Model(MockASRModel):
    async def transcribe_chunk(self, audio):
        print('{"event": "stuck"}', flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_end_while_all_are_being_replaced_sends_nobody_on(number: signal.Signals) -> None:
    """Who can go on nowhere, since nobody has the secret, is told all of it here; only the first had gone before."""
    settings: dict[str, Any] = {"workers": 2, "max_speed": 0, "drain_s": 60}
    settings |= {"exit_code": -number, "allowed": {"supervisor is gone"}} if number == signal.SIGKILL else {}
    with running(**settings) as server:
        clients = [RawSocket(server.address).upgrade() for _ in range(24)]
        for raw in clients:
            raw.say("start")
            for piece in pieces(OPENING):
                raw.say_audio(piece)
            raw.hear_until("partial")
        server.signal(signal.SIGHUP)
        server.log.wait_for("session ended", reason="handed_over")  # The next one's turn is seconds away.
        server.signal(number)
        ends = hear_ends(clients)
        assert number != signal.SIGTERM or 0 == server.exit_code()
    assert ([4201], 23) == ([code for _, code in ends if code != 1012], len(ends) - 1)
    for heard, code in ends:
        kinds = [message["type"] for message in heard if message["type"] != "partial"]
        assert (["closing"] if code == 4201 else ["closing", "final", "error"]) == kinds


def test_a_worker_that_hangs_is_followed(tmp_path: Path) -> None:
    """Nobody told it to end: it is missed, killed and logged; the other one, whose loop moves, is left alone."""
    (tmp_path / "stuck.py").write_text(STUCK)
    settings: dict[str, Any] = {"model": "stuck:Model", "workers": 2, "max_speed": 0}
    with running(
        env={"PYTHONPATH": str(tmp_path)}, allowed={"worker hangs", "event loop stalled", *DIED}, **settings
    ) as server:
        before = workers_of(server, 2)
        raw = RawSocket(server.address).upgrade()
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        server.out.wait_for("stuck")
        died = server.log.wait_for("worker died")
        assert ("hung", 1006) == (died["cause"], raw.hear_all()[1].code)
        after = workers_of(server, 2)
        assert [died["worker"]] == [slot for slot in after if after[slot] != before[slot]]
        assert 1 == sum(line["event"] == "worker hangs" for line in server.log.events)
        raw.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_worker_that_hangs_is_ended_all_the_same(number: signal.Signals, tmp_path: Path) -> None:
    """Its model holds the event loop. The supervisor kills it, and the kernel where the supervisor was killed."""
    (tmp_path / "stuck.py").write_text(STUCK)
    told = {"event loop stalled", "worker did not end in time", "supervisor is gone"}
    code = 1 if number == signal.SIGTERM else -number
    settings: dict[str, Any] = {"model": "stuck:Model", "workers": 2, "drain_s": 0.1, "max_speed": 0}
    with running(env={"PYTHONPATH": str(tmp_path)}, allowed=told, exit_code=code, **settings) as server:
        pids = [pid_of(server, slot) for slot in range(2)]
        raw = RawSocket(server.address).upgrade()
        for piece in pieces(OPENING):
            raw.say_audio(piece)
        server.out.wait_for("stuck")
        server.signal(number)
        assert code == server.exit_code()
        await_true(lambda: all(is_gone(pid) for pid in pids))
        raw.close()
