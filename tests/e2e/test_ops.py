"""The operations listeners of real processes: of one worker and of two, while they drain, die and are replaced."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from typing import TYPE_CHECKING

import pytest
from tests.e2e.test_cli import check_refusal, run
from tests.e2e.test_workers import DIED, pid_of, workers_of
from tests.support.raw import RawSocket
from tests.support.server import Address, Running, await_true, running
from tests.support.speech import OPENING, pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.e2e


def ops_of(server: Running) -> list[Address]:
    """Where each worker tells of itself."""
    return [Address(port) for port in server.log.wait_for("starting")["ops_ports"]]


def held_up(address: Address) -> RawSocket:
    """A session whose model takes its time, so that a drain takes some too."""
    raw = RawSocket(address).upgrade()
    raw.say("start")
    for piece in pieces(OPENING):
        raw.say_audio(piece)
    raw.say("anything")
    raw.hear_until("error")
    return raw


@contextmanager
def asking(address: Address) -> Iterator[list[object]]:
    """Ask for health all the time, on a connection each; what was answered by whom, or the error."""
    answers: list[object] = []
    is_over = threading.Event()

    def ask() -> None:
        while not is_over.is_set():
            try:
                answers.append(address.get("/v1/health")["worker"]["id"])
            except (OSError, HTTPException) as error:
                answers.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answers
    finally:
        is_over.set()
        thread.join()


def test_each_worker_tells_of_itself() -> None:
    """Slot by slot, always the same one, its sessions only; the public port tells none of it."""
    with running(workers=2, ops_port=0) as server:
        ops = ops_of(server)
        workers = workers_of(server, 2)
        assert [workers[0], workers[1]] == [address.get("/v1/health")["worker"]["id"] for address in ops]
        clients = [RawSocket(server.address).upgrade() for _ in range(12)]
        counts = [len(address.get("/v1/sessions")["sessions"]) for address in ops]
        assert 12 == sum(counts)
        assert counts == [address.get("/v1/metrics")["active_connections"] for address in ops]
        assert [[address.http] for address in ops] == [
            [worker["ops"] for worker in address.get("/v1/workers")["workers"]] for address in ops
        ]
        assert 404 == server.address.request("GET", "/v1/metrics").status
        for raw in clients:
            raw.close()


def test_ports_are_one_apart() -> None:
    """So that a scraper can be told without asking; one that is taken ends the start with a sentence."""
    with ExitStack() as scope:
        server = scope.enter_context(running(ops_port=0))
        taken = ops_of(server)[0].port
        flags = ["--port", "0", "--ops-port"]
        check_refusal(run("serve", *flags, str(taken)), f"port {taken} on 127.0.0.1 is in use")
        twice = run("serve", "--port", "9000", "--ops-port", "9000")
        check_refusal(twice, "port must be neither ops_port")
        check_refusal(run("serve", "--workers", "2", *flags, str(taken - 1)), "choose another with --ops-port")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_drain_can_be_ordered_and_watched(workers: int) -> None:
    """At the listener of any worker, for all of them; it answers as long as a session is left."""
    with running(workers=workers, ops_port=0, drain_s=6, mock_latency_ms=1500, max_speed=0) as server:
        ops = ops_of(server)
        raw = held_up(server.address)
        assert 202 == ops[-1].request("POST", "/v1/drain").status
        raw.hear_until("closing")
        shown = [address.get("/v1/health")["status"] for address in ops if has_sessions(address)]
        assert ["draining"] == shown
        raw.hear_all()
        raw.close()
        assert 0 == server.exit_code()


def has_sessions(address: Address) -> bool:
    """Whether a worker has any; one that has none may be gone by now."""
    try:
        return bool(address.get("/v1/sessions")["sessions"])
    except OSError:
        return False


def test_who_asks_a_dead_worker_is_answered_by_its_successor() -> None:
    """The connection waits in the listener's queue: nobody is refused."""
    with running(workers=2, ops_port=0, allowed=DIED) as server:
        ops = ops_of(server)
        before = [address.get("/v1/health")["worker"]["id"] for address in ops]
        victim = pid_of(server, 1)
        os.kill(victim, signal.SIGSTOP)
        with ExitStack() as scope:
            waiting = [scope.enter_context(asking(ops[1])) for _ in range(4)]
            os.kill(victim, signal.SIGKILL)
            await_true(lambda: all(len(answers) > 1 for answers in waiting))
        answers = [answer for answers in waiting for answer in answers]
        assert [] == [answer for answer in answers if isinstance(answer, Exception)]
        assert before[1] not in answers
        assert before[0] == ops[0].get("/v1/health")["worker"]["id"]


def test_a_replaced_worker_is_followed_without_a_gap() -> None:
    """SIGHUP: every question at every listener is answered, first by the old one, then by the new."""
    with running(workers=2, ops_port=0) as server, ExitStack() as scope:
        ops = ops_of(server)
        asked = [scope.enter_context(asking(address)) for address in ops]
        await_true(lambda: all(asked))
        server.signal(signal.SIGHUP)
        server.log.wait_for("all workers replaced")
        counts = [len(answers) for answers in asked]
        await_true(lambda: all(len(answers) > count + 1 for answers, count in zip(asked, counts, strict=True)))
        scope.close()
        for answers in asked:
            assert [] == [answer for answer in answers if isinstance(answer, Exception)]
            assert 2 == len(set(answers))


def test_the_log_level_of_one_worker_can_be_changed() -> None:
    """It says less from then on, and the other one does not; it says what it was."""
    with running(workers=2, ops_port=0) as server:
        first, second = ops_of(server)
        changed = first.request("PUT", "/v1/log-level", b'{"level":"error"}', {"content-type": "application/json"})
        worker = first.get("/v1/health")["worker"]["id"]
        assert (200, {"old": "info", "level": "error", "worker": worker}) == (changed.status, changed.tree)
        clients = [RawSocket(server.address).upgrade() for _ in range(12)]
        assert 0 < (number := len(first.get("/v1/sessions")["sessions"])) < len(clients)
        assert number + len(second.get("/v1/sessions")["sessions"]) == len(clients)
        for raw in clients:
            raw.say("stop")
            raw.hear_all()
            raw.close()
    told = [line["worker"] for line in server.log.events if line["event"] == "session connected"]
    assert [1] * (len(clients) - number) == told
