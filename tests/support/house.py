"""The app in this process, with its lifespan and without a socket, asked through httpx; and models that misbehave.

Guarantees that no task is left when the scope ends. For REST tests; those that need a socket use
`tests.support.inside` or `tests.support.server`.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from tests.support.inside import Record
from tests.support.kept import keep_events

from earful.app import Service, build
from earful.models.types import TranscriptResult
from earful.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from earful.service.identity import Identity

BROKEN = f"{__name__}:Broken"
STUCK = f"{__name__}:Stuck"
TOGETHER = f"{__name__}:Together"
SECRET = "what somebody said"  # noqa: S105 - to be looked for where it must not be


class Broken:
    """Fails on everything it hears."""

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Raise, with words that nobody may be told."""
        del audio
        raise RuntimeError(SECRET)

    async def finalize(self) -> TranscriptResult:
        """Raise here too."""
        raise RuntimeError(SECRET)


class Stuck(Broken):
    """Never answers."""

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Wait for nothing."""
        del audio
        await asyncio.get_running_loop().create_future()
        raise AssertionError(SECRET)


class Together:
    """Answers nobody before `party` objects hear at once; `peak` is how many ever did."""

    party = 4
    peak = 0
    _now = 0
    _full: asyncio.Event

    @classmethod
    async def load(cls) -> None:
        """Begin anew, on this loop."""
        cls.peak, cls._now, cls._full = 0, 0, asyncio.Event()

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Wait for the others."""
        cls = type(self)
        cls._now += 1
        cls.peak = max(cls.peak, cls._now)
        if cls._now == cls.party:
            cls._full.set()
        await cls._full.wait()
        cls._now -= 1
        return TranscriptResult(str(len(audio)), is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Say anything."""
        return TranscriptResult("heard", is_final=True)


class MuteWire:
    """Nobody at the other end."""

    unsent_bytes = 0
    closed: tuple[int, str] | None = None

    def send(self, text: bytes) -> None:
        """Lose it."""

    def close(self, code: int, reason: str) -> None:
        """Note it."""
        self.closed = (code, reason)

    def abort(self) -> None:
        """Nothing to drop."""

    def ping(self) -> None:
        """Nobody to ask."""

    def pause_reading(self) -> None:
        """Nothing to read."""

    def resume_reading(self) -> None:
        """Nothing to read."""


@dataclass(frozen=True, slots=True)
class House:
    """An assembled worker and a client of it."""

    service: Service
    client: httpx.AsyncClient
    log: Record

    def from_peer(self, host: str) -> httpx.AsyncClient:
        """A client that asks from another address."""
        return _client(self.service, host)


@asynccontextmanager
async def at_home(
    *,
    drain: Callable[[], None] | None = None,
    is_loaded: bool = True,
    identity: Identity | None = None,
    **settings: object,
) -> AsyncIterator[House]:
    """Run the app with these settings; with `drain` the model is loaded here, as a server would, unless told not to."""
    log = Record()
    wanted = settings if "model" in settings else {"mock_latency_ms": 0, **settings}
    service = build(Settings.load(wanted, {}), log, drain, identity)
    if drain is not None and is_loaded:
        await service.engine.load()
    before = asyncio.all_tasks()
    async with service.app.router.lifespan_context(service.app), _client(service, "127.0.0.1") as client:
        yield House(service, client, log)
    keep_events(log.events)
    assert set() == asyncio.all_tasks() - before


def in_house(scenario: Callable[[House], Awaitable[None]], **settings: object) -> None:
    """Run `scenario` in a house of its own, within 15 s."""

    async def main() -> None:
        async with asyncio.timeout(30), at_home(**settings) as house:  # type: ignore[arg-type]  # settings' names are no parameters
            await scenario(house)

    asyncio.run(main())


def ask(
    method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None, **settings: object
) -> httpx.Response:
    """Ask a house of its own once; no seat at the engine may be left of it."""
    answers: list[httpx.Response] = []

    async def scenario(house: House) -> None:
        answers.append(await house.client.request(method, path, content=body, headers=headers))
        assert set() == house.service.engine._seats

    in_house(scenario, **settings)
    return answers[0]


def upload(body: bytes, headers: dict[str, str] | None = None, **settings: object) -> httpx.Response:
    """Upload to a house of its own."""
    return ask("POST", "/v1/transcribe", body=body, headers=headers, **settings)


def fault(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, code and sentence of an error, which has the one form."""
    body = answer.json()
    assert {"error"} == body.keys()
    assert {"code", "message", "request_id"} == body["error"].keys()
    assert body["error"]["request_id"] == answer.headers["x-request-id"]
    assert (answer.status_code in {429, 503}) == ("retry-after" in answer.headers)
    sentence = body["error"]["message"]
    assert sentence.endswith(".")
    assert not re.search(r"Error|Exception|Traceback|0x", sentence)
    return answer.status_code, body["error"]["code"], sentence


def temporary_files() -> list[str]:
    """Files in the temporary directory that this process has open, nameless ones too."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # The listing's own is closed again.
            found.append(str(descriptor.readlink()))
    return [target for target in found if target.startswith(tempfile.gettempdir()) and "(deleted)" in target]


def _client(service: Service, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(service.app, raise_app_exceptions=False, client=(host, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://earful")
