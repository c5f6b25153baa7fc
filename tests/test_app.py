"""Assembly: what is built of the settings, when the model is loaded, and what is closed at the end."""

from __future__ import annotations

import asyncio
import re
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import iter_route_contexts
from tests.support.house import BROKEN, SECRET, ask, at_home, fault, in_house
from tests.support.inside import Record
from tests.support.models import Desk, make_work
from tests.support.redis_server import free_port
from tests.support.sounds import speech, wav
from tests.support.spans import Studio

from earful.app import build, create
from earful.models.loading import ModelLoadError
from earful.models.types import SessionInfo, TranscriptResult
from earful.protocol.cursor import Cursor
from earful.protocol.seal import Seal
from earful.service.registry import Registry
from earful.settings import Settings
from earful.store.redis import RedisDirectory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from fastapi import FastAPI
    from tests.support.house import House


class Diary:
    """Notes what was done with its class."""

    seen: list[str] = []  # noqa: RUF012 - of the class, and each test begins it anew

    @classmethod
    def load(cls) -> None:
        """The weights."""
        cls.seen.append("load")

    async def open(self, info: SessionInfo) -> None:
        """A session begins."""
        self.seen.append(f"open {info.language}")

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Say nothing."""
        del audio
        return TranscriptResult("", is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Say nothing."""
        return TranscriptResult("", is_final=True)

    async def close(self) -> None:
        """A session is over."""
        self.seen.append("close")


DIARY = f"{__name__}:Diary"


async def live(app: FastAPI) -> None:
    """From the first request to the last."""
    async with app.router.lifespan_context(app):
        pass


def test_a_model_that_is_not_there_is_told_at_once() -> None:
    """Before anything listens."""
    with pytest.raises(ModelLoadError, match='no module "nowhere"'):
        build(Settings.load({"model": "nowhere:Model"}, {}), Record())


def test_without_a_server_the_app_loads_its_model() -> None:
    """Before its first request; with one, the server does, while it answers `starting`."""
    Diary.seen = []

    async def ready(drain: Callable[[], None] | None) -> bool:
        async with at_home(model=DIARY, drain=drain, is_loaded=False) as house:
            return house.service.engine.ready

    assert asyncio.run(ready(None))
    assert not asyncio.run(ready(lambda: None))
    assert ["load"] == Diary.seen


def test_what_a_model_raises_at_its_loading_ends_the_start() -> None:
    """A foreign server sees the lifespan fail."""
    options = {"latency_ms": -1}
    service = build(Settings.load({"model": "mock", "model_options": options}, {}), Record())
    with pytest.raises(ModelLoadError, match="latency_ms"):
        asyncio.run(live(service.app))


def test_the_end_closes_model_objects() -> None:
    """Those of sessions that were still there, too; nothing is ready afterwards."""
    Diary.seen = []

    async def main() -> None:
        async with at_home(model=DIARY) as house:
            registry = house.service.registry
            seat = registry.engine.seat(SessionInfo("s", "en"))
            seat.submit(make_work(), Desk().deliver)
            await asyncio.sleep(0)
        assert not house.service.engine.ready

    asyncio.run(main())
    assert ["load", "open en", "close"] == Diary.seen


@pytest.mark.parametrize("place", ["registry", "directory"])
def test_a_failing_end_takes_no_other_with_it(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to be closed after it is; then the failure shows."""

    async def fail(_: object) -> None:
        raise LookupError(SECRET)

    async def main() -> None:
        service = build(Settings.load({"model": DIARY, "store": f"redis://127.0.0.1:{free_port()}"}, {}), Record())
        monkeypatch.setattr({"registry": Registry, "directory": RedisDirectory}[place], "close", fail)
        with pytest.raises(LookupError):
            await live(service.app)
        assert not service.engine.ready
        assert {asyncio.current_task()} == asyncio.all_tasks()

    asyncio.run(main())


def test_metrics_know_of_lost_log_lines() -> None:
    """Whenever they are asked."""
    log = Record()
    service = build(Settings.load({"model": DIARY}, {}), log)
    log.dropped = 7
    assert 7 == service.registry.metrics.log_lines_dropped()


def test_metrics_know_of_lost_spans() -> None:
    """Of the tracer that is given, whatever the settings say."""
    studio = Studio()
    service = build(Settings.load({"model": DIARY}, {}), Record(), tracer=studio.tracer)
    studio.export.dropped = 7
    assert 7 == service.registry.metrics.spans_lost()
    studio.close()


def test_create_reads_the_environment(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """For `uvicorn earful.app:create --factory`; there is no drain then."""
    monkeypatch.setenv("EARFUL_MODEL", DIARY)
    monkeypatch.setattr("earful.app.open_log", lambda *_: Record())
    Diary.seen = []
    app = create()
    asyncio.run(live(app))
    assert ["load"] == Diary.seen
    assert "/v1/drain" not in app.openapi()["paths"]
    assert ("", "") == capsys.readouterr()


def test_every_limit_comes_from_the_settings() -> None:
    """Each under its own name, none left at a default of its own."""
    wanted: dict[str, object] = {
        "max_sessions": 3,
        "vad_aggressiveness": 1,
        "vad_frame_ms": 10,
        "onset_frames": 4,
        "onset_window": 6,
        "pre_roll_ms": 110,
        "hangover_ms": 120,
        "endpoint_silence_ms": 700,
        "max_utterance_s": 17.0,
        "idle_timeout_s": 21.0,
        "max_session_s": 22.0,
        "max_speed": 2.5,
        "max_chunk_ms": 2_300,
        "max_buffered_ms": 2_400,
        "max_message_bytes": 25_000,
        "stall_timeout_s": 26.0,
        "resume_window_s": 27.0,
        "max_messages_per_s": 31.0,
        "ping_interval_s": 32.0,
        "ping_timeout_s": 33.0,
        "max_unsent_bytes": 34_000,
        "max_unsent_s": 35.0,
    }
    limits = build(Settings.load(wanted, {}), Record()).registry.limits
    places = (limits, limits.rules, limits.session, limits.connection)
    renamed = {"vad_aggressiveness": "aggressiveness", "vad_frame_ms": "frame_ms"}
    for name, value in wanted.items():
        if not name.startswith("max_unsent"):
            field = renamed.get(name, name)
            assert [value] == [getattr(place, field) for place in places if hasattr(place, field)]
    assert repr(limits.connection.outbox).endswith("=34000, max_unsent_s=35.0)")
    assert 1 == limits.resume_reserve  # 10 % of three.


def test_the_reserve_is_a_share_of_the_places() -> None:
    """Rounded up, so that also a small worker can be resumed on; none where none is wanted."""

    def reserve(**settings: object) -> int:
        return build(Settings.load(settings, {}), Record()).registry.limits.resume_reserve

    assert 200 == reserve()
    assert [1, 0, 2, 3] == [reserve(max_sessions=2, resume_reserve=percent) for percent in (1, 0, 100, 101)]


def test_cursors_are_signed_with_the_settings_secret() -> None:
    """Or with one that is drawn, or with what the caller brings along."""

    def seal(own: Seal | None = None, **settings: object) -> Seal:
        return build(Settings.load(settings, {}), Record(), seal=own).registry.seal

    cursor = Cursor("s", 5)
    ours = seal(secret="new, old")  # noqa: S106 - no secret
    assert ("anywhere", cursor) == (ours.reach, ours.read(Seal((b"old",)).sign(cursor)))
    assert Seal((b"new",)).sign(cursor) == ours.sign(cursor)
    assert "here" == seal().reach
    assert seal().sign(cursor) != seal().sign(cursor)
    shared = Seal.drawn()
    assert shared is seal(shared, secret="other")  # noqa: S106 - no secret


def test_a_failing_model_is_logged_without_its_words() -> None:
    """Type and place; what it says may be what somebody said."""

    async def main() -> Record:
        async with at_home(model=BROKEN) as house:
            await house.client.post("/v1/transcribe", content=wav(speech(4.2)))
            return house.log

    line = asyncio.run(main()).all_of("model failed")[0]
    assert {"level", "event", "session", "request_id", "trace_id", "error", "traceback"} == line.keys()
    assert ("warning", "RuntimeError") == (line["level"], line["error"])
    assert "transcribe_chunk" in line["traceback"]


# Every route


@cache
def own_routes() -> list[tuple[str, str]]:
    """Path and method of everything OpenAPI tells of."""
    paths: dict[str, dict[str, Any]] = ask("GET", "/openapi.json", drain=lambda: None).json()["paths"]
    return [(path, method.upper()) for path, methods in paths.items() for method in methods]


def every_answer(scenario: Callable[[House, str, str], Awaitable[None]]) -> None:
    """Run it for each route, in one house."""
    routes = own_routes()

    async def all_of_them(house: House) -> None:
        for path, method in routes:
            await scenario(house, path, method)

    in_house(all_of_them, drain=lambda: None)


def test_the_routes_are_those_of_the_protocol() -> None:
    """None missing, none beside them."""
    assert {
        ("/v1/transcribe", "POST"),
        ("/v1/health", "GET"),
        ("/livez", "GET"),
        ("/readyz", "GET"),
        ("/v1/metrics", "GET"),
        ("/metrics", "GET"),
        ("/v1/sessions", "GET"),
        ("/v1/sessions/{session_id}", "GET"),
        ("/v1/sessions/{session_id}", "DELETE"),
        ("/v1/sessions/{session_id}/events", "GET"),
        ("/v1/workers", "GET"),
        ("/v1/drain", "POST"),
        ("/v1/log-level", "PUT"),
    } == set(own_routes())


def test_no_route_declares_a_body() -> None:
    """FastAPI reads it before it asks who sends it; a route that wants one takes the request, and reads it itself."""
    app = build(Settings.load({}, {}), Record(), lambda: None).app
    routes = [context for context in iter_route_contexts(app.routes) if hasattr(context, "body_field")]
    assert {path for path, _ in own_routes()} <= {route.path for route in routes}
    assert [] == [route.path for route in routes if route.body_field is not None]


@pytest.mark.parametrize("given_id", ["mine-1", None, "not sane"])
def test_every_answer_has_an_id(given_id: str | None) -> None:
    """The request's own where it is sane; in whatever status."""
    headers = {} if given_id is None else {"x-request-id": given_id}
    expected = "mine-1" if given_id == "mine-1" else "[0-9a-f]{16}"

    async def scenario(house: House, path: str, method: str) -> None:
        for tried in (method, "PATCH", "HEAD", "OPTIONS"):
            answer = await house.client.request(tried, path, headers=headers)
            assert re.fullmatch(expected, answer.headers["x-request-id"]), (tried, path)
            assert 1 == len(answer.headers.get_list("x-request-id"))

    every_answer(scenario)


def test_a_wrong_method_is_told_the_right_one() -> None:
    """405 in the one form, with `Allow`."""

    async def scenario(house: House, path: str, method: str) -> None:
        del method
        answer = await house.client.patch(path)
        assert (405, "bad_request", f"Method Not Allowed: PATCH {path}.") == fault(answer)
        assert {named for own, named in own_routes() if own == path} >= set(answer.headers["allow"].split(", "))

    every_answer(scenario)


@pytest.mark.parametrize(
    "path", ["/", "/nope", "/v1", "/v1/transcribe/stream", "/static-offline-docs/nope.js", "/v1/%00"]
)
def test_an_unknown_path_is_not_found(path: str) -> None:
    """404 in the one form."""
    assert (404, "not_found") == fault(ask("GET", path))[:2]


def test_a_fault_of_ours_is_told_in_the_same_form() -> None:
    """500, the request's id, and none of the exception's words."""

    async def scenario(house: House) -> None:
        def summary(_: float) -> None:
            raise LookupError(SECRET)

        house.service.registry.metrics.summary = summary  # type: ignore[assignment, method-assign]  # the fault
        answer = await house.client.get("/v1/metrics", headers={"x-request-id": "mine"})
        assert (500, "internal", "The server failed; this is its fault, not yours.") == fault(answer)
        assert "mine" == answer.headers["x-request-id"]

    in_house(scenario)
