"""The app in this process, with its lifespan and without a socket, asked through httpx; and models that misbehave.

Guarantees that no task is left when the scope ends. For REST tests; those that need a socket use
`tests.support.inside` or `tests.support.server`.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from tests.support.inside import Record

from earful.app import Service, build
from earful.models.types import TranscriptResult
from earful.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

BROKEN = f"{__name__}:Broken"
STUCK = f"{__name__}:Stuck"
TOGETHER = f"{__name__}:Together"
SECRET = "what somebody said"  # noqa: S105 - to be looked for where it must not be


class Broken:
    """Fails on everything it hears."""

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Raise, with words that nobody may be told."""
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
    *, drain: Callable[[], None] | None = None, is_loaded: bool = True, **settings: object
) -> AsyncIterator[House]:
    """Run the app with these settings; with `drain` the model is loaded here, as a server would, unless told not to."""
    log = Record()
    service = build(Settings.load({"mock_latency_ms": 0, **settings} if "model" not in settings else settings, {}), log, drain)
    if drain is not None and is_loaded:
        await service.engine.load()
    before = asyncio.all_tasks()
    async with service.app.router.lifespan_context(service.app), _client(service, "127.0.0.1") as client:
        yield House(service, client, log)
    assert set() == asyncio.all_tasks() - before


def in_house(scenario: Callable[[House], Awaitable[None]], **settings: object) -> None:
    """Run `scenario` in a house of its own, within 15 s."""

    async def main() -> None:
        async with asyncio.timeout(15), at_home(**settings) as house:  # type: ignore[arg-type]  # settings' names are no parameters
            await scenario(house)

    asyncio.run(main())


def ask(method: str, path: str, *, body: bytes | None = None, headers: dict[str, str] | None = None, **settings: object) -> httpx.Response:
    """Ask a house of its own once."""
    answers: list[httpx.Response] = []

    async def scenario(house: House) -> None:
        answers.append(await house.client.request(method, path, content=body, headers=headers))

    in_house(scenario, **settings)
    return answers[0]


def upload(body: bytes, headers: dict[str, str] | None = None, **settings: object) -> httpx.Response:
    """Upload to a house of its own."""
    return ask("POST", "/v1/transcribe", body=body, headers=headers, **settings)


def temporary_files(pid: int | None = None) -> list[str]:
    """Files in the temporary directory that a process (default: this one) has open, nameless ones too."""
    directory = f"/proc/{pid or os.getpid()}/fd"
    found = []
    for descriptor in os.listdir(directory):
        try:
            target = os.readlink(f"{directory}/{descriptor}")
        except OSError:  # Closed meanwhile, or the listing's own.
            continue
        if target.startswith(tempfile.gettempdir()) and "(deleted)" in target:
            found.append(target)
    return found


def _client(service: Service, host: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(service.app, raise_app_exceptions=False, client=(host, 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://earful")
