"""`earful why` against real workers that share one port and a store: whoever answers, the story is the same."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests.e2e.test_cli import run
from tests.support.raw import RawSocket
from tests.support.redis_server import running_redis
from tests.support.server import running

if TYPE_CHECKING:
    from tests.support.server import Address

pytestmark = pytest.mark.e2e


def why(session_id: str, address: Address) -> str:
    """What the command prints."""
    return run("why", session_id, "--url", address.http).stdout.decode()


def test_a_story_is_found_whichever_worker_answers() -> None:
    """A session's, by the store, and an upload's, which the store does not know; until the workers are replaced."""
    with running_redis() as redis, running(workers=2, store=redis.url) as server:
        raw = RawSocket(server.address).upgrade()
        raw.say("start")
        session_id = str(raw.hear()["session_id"])
        assert "\nIt is live, at worker " in why(session_id, server.address)
        raw.say("stop")
        raw.hear_all()
        raw.close()
        assert "Why it ended: The client said stop" in why(session_id, server.address)
        server.address.request("POST", "/v1/transcribe", b"no audio")
        upload_id = str(server.log.wait_for("upload ended")["session"])
        assert "Why it ended: The body is not audio that can be read." in why(upload_id, server.address)
        server.signal(signal.SIGHUP)
        server.log.wait_for("all workers replaced")
        assert "has ended since, and its memory with it: it was replaced" in why(session_id, server.address)
