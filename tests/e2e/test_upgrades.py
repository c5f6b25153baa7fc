"""Upgraded and rolled back under live sessions: two releases behind one Redis, and the finals are those of one run."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from tests.session.ear import told
from tests.support.other_release import NAME, other_release
from tests.support.redis_server import running_redis
from tests.support.resuming import connect, hear, send
from tests.support.server import await_true, running
from tests.support.speech import SPEECH, expected, pieces

from earful import __version__
from earful.client.core import Speaker
from earful.protocol.messages import Start

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.raw import RawSocket
    from tests.support.server import Address, Running

pytestmark = pytest.mark.e2e

OURS: dict[str, str] = {}
SETTINGS: dict[str, Any] = {
    "mock_latency_ms": 5,
    "max_speed": 0,
    "secret": "shared",
    "exit_code": None,
}


class Clients:
    """Sessions that go from worker to worker, saying a part of the sample at each."""

    def __init__(self, number: int) -> None:
        self.speakers = [Speaker(Start()) for _ in range(number)]
        self._raws: list[RawSocket] = []
        self._rest = list(pieces(SPEECH))

    def connect(self, address: Address) -> None:
        """Begin, or go on, there."""
        self._raws = [connect(speaker, address) for speaker in self.speakers]
        for speaker, raw in zip(self.speakers, self._raws, strict=True):
            assert None is hear(speaker, raw, 1)

    def speak(self, chunks: int, finals: int) -> None:
        """Say so many chunks more, and wait until each session has so many finals and is in a sentence again."""
        said, self._rest = self._rest[:chunks], self._rest[chunks:]
        for speaker, raw in zip(self.speakers, self._raws, strict=True):
            for piece in said:
                speaker.speak(piece)
            send(speaker, raw)
            while len(speaker.finals) < finals or not speaker.fragments:
                assert None is hear(speaker, raw, 1)

    def lose(self) -> set[int]:
        """Hear everything to the ends of the connections; their codes."""
        codes = set()
        for speaker, raw in zip(self.speakers, self._raws, strict=True):
            while (gone := hear(speaker, raw, 1)) is None:
                continue
            codes.add(gone.code)
            raw.close()
        return codes

    def finish(self) -> None:
        """Say the rest, stop, and hear the last final."""
        for speaker, raw in zip(self.speakers, self._raws, strict=True):
            for piece in self._rest:
                speaker.speak(piece)
            speaker.stop()
            send(speaker, raw)
        assert {1000} == self.lose()

    def check(self) -> None:
        """Each has the finals of an undisturbed run."""
        for speaker in self.speakers:
            assert expected(SPEECH) == told(speaker.finals)[: len(expected(SPEECH))]


def seen_by(server: Running) -> set[str]:
    """The releases of the live workers, as one of them knows them."""
    return {worker["version"] for worker in server.address.get("/v1/workers")["workers"]}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_sessions_go_to_the_next_release_and_back(number: signal.Signals, tmp_path: Path) -> None:
    """From this release to the next, and back to this one, whether the worker drains or is killed."""
    theirs = other_release(tmp_path)
    clients = Clients(3)
    with running_redis() as redis, ExitStack() as stack:

        def serve(env: Mapping[str, str]) -> Running:
            return stack.enter_context(running(store=redis.url, env=env, **SETTINGS))

        before, upgraded = serve(OURS), serve(theirs)
        await_true(lambda: seen_by(before) == {__version__, NAME} == seen_by(upgraded))
        clients.connect(before.address)
        clients.speak(100, finals=2)
        await_true(lambda: listed(upgraded) == listed(before) == ids(clients))
        before.signal(number)
        assert clients.lose() <= {4201, 1006}
        clients.connect(upgraded.address)
        clients.speak(70, finals=3)
        rolled_back = serve(OURS)
        await_true(lambda: listed(rolled_back) == ids(clients))
        upgraded.signal(number)
        assert clients.lose() <= {4201, 1006}
        clients.connect(rolled_back.address)
        clients.finish()
    clients.check()


def ids(clients: Clients) -> set[str]:
    """Of all sessions."""
    return {speaker.session_id for speaker in clients.speakers}


def listed(server: Running) -> set[str]:
    """Of the sessions that a worker lists, whoever has them."""
    return {session["session_id"] for session in server.address.get("/v1/sessions")["sessions"]}


def test_a_worker_of_one_release_ends_and_takes_sessions_of_the_other(tmp_path: Path) -> None:
    """`DELETE` and 4010 cross the releases: notices of each are read by the other."""
    theirs = other_release(tmp_path)
    with (
        running_redis() as redis,
        running(store=redis.url, **SETTINGS) as ours,
        running(store=redis.url, env=theirs, **SETTINGS) as other,
    ):
        for here, there in ((ours, other), (other, ours)):
            moved = Speaker(Start())
            first = connect(moved, here.address)
            assert None is hear(moved, first, 1)
            moved.lost()
            second = connect(moved, there.address)
            assert None is hear(moved, second, 1)
            assert 4010 == first.hear_all()[1].code
            assert 202 == here.address.request("DELETE", f"/v1/sessions/{moved.session_id}").status
            assert 1000 == second.hear_all()[1].code
            for raw in (first, second):
                raw.close()


def test_sighup_costs_a_session_that_can_resume_nothing() -> None:
    """All workers are replaced, one after another; whoever was told 4201 goes on at a successor."""
    clients = Clients(6)
    with running(workers=2, **SETTINGS) as server:
        clients.connect(server.address)
        clients.speak(100, finals=2)
        server.signal(signal.SIGHUP)
        assert {4201} == clients.lose()
        clients.connect(server.address)
        server.log.wait_for("all workers replaced")
        clients.finish()
    clients.check()
