"""Health, metrics, sessions and drain over REST, in process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.service.test_headroom import measured
from tests.support.house import MuteWire, ask, fault, in_house
from tests.support.sounds import speech, wav

from earful import __version__
from earful.service.identity import Identity

if TYPE_CHECKING:
    from tests.support.house import House

SENTENCE = speech(4.2)


# Health and metrics


@pytest.mark.parametrize(("status", "code"), [("starting", "overloaded"), ("draining", "draining")])
def test_a_worker_that_wants_no_traffic_says_so(status: str, code: str) -> None:
    """503 with the reason; uploads are told when to come again; the process is alive all the same."""

    async def scenario(house: House) -> None:
        house.service.registry.draining = status == "draining"
        health, ready = await house.client.get("/v1/health"), await house.client.get("/readyz")
        assert (503, status) == (health.status_code, health.json()["status"])
        assert (503, {"status": status}) == (ready.status_code, ready.json())
        assert 200 == (await house.client.get("/livez")).status_code
        refused = await house.client.post("/v1/transcribe", content=wav(SENTENCE))
        assert (503, code) == fault(refused)[:2]
        assert 1 <= int(refused.headers["retry-after"]) <= 5
        assert 0 == (await house.client.get("/v1/metrics")).json()["total_requests"]

    in_house(scenario, drain=lambda: None, is_loaded=status == "draining")


def test_health_of_a_worker_that_is_well() -> None:
    """What a balancer and a person look at."""
    worker = {
        "id": "w7",
        "slot": 0,
        "active_sessions": 0,
        "max_sessions": 7,
        "overload_level": 0,
        "accepting": True,
    }
    health = {"status": "ok", "active_sessions": 0, "scope": "service", "worker": worker, "version": __version__}
    answer = ask("GET", "/v1/health", max_sessions=7, identity=Identity(id="w7"))
    assert (200, health) == (answer.status_code, answer.json())


def test_health_tells_how_busy_the_model_is() -> None:
    """Where that is known."""

    async def scenario(house: House) -> None:
        house.service.registry.headroom = measured(0.5)
        with house.service.registry.slot():
            assert 0.5 == pytest.approx((await house.client.get("/v1/health")).json()["worker"]["model_load"])

    in_house(scenario)


def test_health_of_one_worker_of_several() -> None:
    """It says that its numbers are its own."""
    health = ask("GET", "/v1/health", identity=Identity(slot=2, workers=3, id="w7")).json()
    assert ("worker", "w7", 2) == (health["scope"], health["worker"]["id"], health["worker"]["slot"])
    assert {"status": "ok"} == ask("GET", "/readyz").json() == ask("GET", "/livez").json()


def test_metrics_have_their_fields() -> None:
    """Of a worker that had a good upload, a bad one and a session."""

    async def scenario(house: House) -> None:
        nothing = (await house.client.get("/v1/metrics")).json()
        assert {"p50", "p95", "p99"} == nothing["latency_ms"].keys() == nothing["upload_ms"].keys()
        assert {0} == {value for value in nothing.values() if not isinstance(value, dict)}
        await house.client.post("/v1/transcribe", content=wav(SENTENCE))
        await house.client.post("/v1/transcribe", content=b"text")
        house.service.registry.connect("one", MuteWire())
        found = (await house.client.get("/v1/metrics")).json()
        assert (3, 1, 0.5) == (found["total_requests"], found["active_connections"], found["error_rate"])
        assert 0 < found["requests_per_second"] <= 3
        assert 0 < found["upload_ms"]["p50"] <= found["upload_ms"]["p99"]
        assert (
            {*nothing} == {*found} >= {"total_requests", "active_connections", "requests_per_second", "avg_latency_ms"}
        )

    in_house(scenario)


def test_prometheus_can_read_its_text() -> None:
    """Every family has a help and a type; the numbers are those that were counted."""

    async def scenario(house: House) -> None:
        for body in (wav(SENTENCE), b"text"):
            await house.client.post("/v1/transcribe", content=body)
        answer = await house.client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        families = {family.name: family for family in text_string_to_metric_families(answer.text)}
        assert all(family.documentation and family.type != "unknown" for family in families.values())
        assert all(name.startswith(("earful_", "process_", "python_gc_")) for name in families)
        assert 2.0 == families["earful_uploads"].samples[0].value
        assert {0.0} == {sample.value for sample in families["earful_sessions"].samples}
        assert 2.0 == next(s.value for s in families["earful_upload_seconds"].samples if s.name.endswith("_count"))

    in_house(scenario)


# Sessions


def test_sessions_are_listed_in_pages() -> None:
    """In the order of their ids, each once, and the last page says so."""

    async def scenario(house: House) -> None:
        for name in "cabed":
            house.service.registry.connect(name, MuteWire())
        seen: list[str] = []
        cursor: str | None = ""
        pages = 0
        while cursor is not None:
            page = (await house.client.get("/v1/sessions", params={"limit": 2, "cursor": cursor})).json()
            seen += [session["session_id"] for session in page["sessions"]]
            cursor, pages = page["next_cursor"], pages + 1
        assert (list("abcde"), 3) == (seen, pages)
        assert {"sessions": [], "next_cursor": None} == (await house.client.get("/v1/sessions?cursor=e")).json()

    in_house(scenario)


def test_one_session_is_shown_and_ended() -> None:
    """Its figures and never its text; then it is closed, and gone."""

    async def scenario(house: House) -> None:
        wire = MuteWire()
        connection = house.service.registry.connect("one", wire)
        shown = (await house.client.get("/v1/sessions/one")).json()
        assert ("one", "CREATE", 16_000) == (shown["session_id"], shown["state"], shown["sample_rate"])
        assert not shown.keys() & {"text", "partial", "transcript"}
        answer = await house.client.delete("/v1/sessions/one")
        assert (202, {"status": "ending"}) == (answer.status_code, answer.json())
        assert wire.closed is not None
        assert 1000 == wire.closed[0]
        connection.lost("peer_closed")
        assert 404 == (await house.client.get("/v1/sessions/one")).status_code

    in_house(scenario)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_unknown_session_is_not_found(method: str) -> None:
    """With a sentence."""
    assert (404, "not_found", "There is no live session of this id.") == fault(ask(method, "/v1/sessions/nobody"))


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=many", "cursor=" + "x" * 65])
def test_bad_parameters_are_named(query: str) -> None:
    """422, and which."""
    answer = fault(ask("GET", f"/v1/sessions?{query}"))
    assert (422, "bad_request") == answer[:2]
    assert answer[2].startswith(f"query.{query.partition('=')[0]}: ")


# Drain


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_drain_is_for_a_peer_on_this_machine(peer: str) -> None:
    """202, and the server is told, once."""
    asked: list[int] = []

    async def scenario(house: House) -> None:
        async with house.from_peer(peer) as client:
            answer = await client.post("/v1/drain")
        assert (202, {"status": "draining"}, [1]) == (answer.status_code, answer.json(), asked)

    in_house(scenario, drain=lambda: asked.append(1))


@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("10.0.0.1", {}),
        ("::ffff:10.0.0.1", {}),
        ("", {}),
        *(
            ("127.0.0.1", {name: "127.0.0.1"})
            for name in ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via")
        ),
    ],
)
def test_drain_is_for_nobody_else(peer: str, headers: dict[str, str]) -> None:
    """Nor for somebody whom a proxy on this machine stands for."""
    asked: list[int] = []

    async def scenario(house: House) -> None:
        async with house.from_peer(peer) as client:
            answer = await client.post("/v1/drain", headers=headers)
        assert (403, "forbidden") == fault(answer)[:2]
        assert [] == asked

    in_house(scenario, drain=lambda: asked.append(1))


def test_an_app_that_cannot_drain_has_no_such_route() -> None:
    """Under a foreign server."""
    assert 404 == fault(ask("POST", "/v1/drain"))[0]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/v1/sessions/s", "DELETE, GET"), ("OPTIONS", "/v1/sessions", "GET"), ("GET", "/v1/transcribe", "POST")],
)
def test_a_wrong_method_is_told_all_right_ones(method: str, path: str, allowed: str) -> None:
    """Those of every route of the path."""

    async def scenario(house: House) -> None:
        answer = await house.client.request(method, path)
        assert (405, "bad_request") == fault(answer)[:2]
        assert allowed == answer.headers["allow"]

    in_house(scenario)
