"""The REST routes, in process: right statuses, sentences that help, one form for every error."""

from __future__ import annotations

import asyncio
import re
import tempfile
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.routing import APIRoute
from prometheus_client.parser import text_string_to_metric_families
from tests.support.house import BROKEN, SECRET, STUCK, TOGETHER, Together, ask, at_home, in_house, temporary_files, upload
from tests.support.sounds import form, mp3, mulaw_8k, silence, speech, stereo_44k, wav

from earful import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    import httpx
    from tests.support.house import House

SENTENCE = speech(4.2)
FIVE = silence(5)


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing is left on disk by any of these, with a name or without."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert [] == list(tmp_path.iterdir())
    assert [] == temporary_files()


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


# Uploads


@pytest.mark.parametrize("wrap", [lambda data: (data, {}), form], ids=["raw", "form"])
def test_a_recording_becomes_text(wrap: Callable[[bytes], tuple[bytes, dict[str, str]]]) -> None:
    """Six sentences: each its segment, the text all of them, the length that of the audio."""
    body, headers = wrap(wav(speech()))
    answer = upload(body, headers | {"x-request-id": "mine"})
    assert 200 == answer.status_code
    found = answer.json()
    assert {"text", "duration_ms", "processing_ms", "segments", "request_id"} == found.keys()
    assert [{"index", "text", "start_ms", "end_ms"}] * 6 == [segment.keys() for segment in found["segments"]]
    assert list(range(6)) == [segment["index"] for segment in found["segments"]]
    assert " ".join(segment["text"] for segment in found["segments"]) == found["text"]
    assert len(speech()) // 32 == found["duration_ms"]
    assert found["processing_ms"] >= 0
    assert ("mine", "mine") == (found["request_id"], answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "body",
    [
        wav(stereo_44k(), rate_hz=44_100, channels=2),
        wav(mulaw_8k(), rate_hz=8_000, tag=7, bits=8),
        wav(speech(), claims=0xFFFFFFFF),
        wav(speech(), claims=0),
        wav(speech(), claims=len(speech()) + 1_000_000),
    ],
    ids=["44.1 kHz stereo", "8 kHz mu-law", "4 GiB claim", "streamed", "claims more"],
)
def test_other_wav_files_have_six_sentences_too(body: bytes) -> None:
    """Of other formats, and with headers that claim more than there is."""
    found = upload(body).json()
    assert 6 == len(found["segments"])
    assert abs(len(speech()) / 32 - found["duration_ms"]) < 30


def test_a_truncated_file_is_read_as_far_as_it_goes() -> None:
    """Half of the sample has three sentences and the beginning of the fourth."""
    whole = wav(speech())
    found = upload(whole[: len(whole) // 2]).json()
    assert 4 == len(found["segments"])
    assert abs(len(speech()) / 64 - found["duration_ms"]) < 2


def test_what_a_header_leaves_out_is_not_heard() -> None:
    """A claim of less is believed."""
    assert 1_000 == upload(wav(speech(), claims=32_000)).json()["duration_ms"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The body is empty; send the recording as the body or as the field file."),
        (b"This is only text.\n" * 100, "The file cannot be read as audio; WAV, mp3, m4a, ogg, webm and flac can."),
        (b"x", "The file cannot be read as audio; WAV, mp3, m4a, ogg, webm and flac can."),
        (wav(b""), "The WAV file has a header and no samples after it."),
        (wav(SENTENCE)[:30], "The WAV file cannot be read: it ends within its header."),
        (wav(SENTENCE, channels=0), "The WAV file cannot be read: it claims 0 channels, where 1 to 8 can be read."),
        (wav(SENTENCE, rate_hz=1), "The WAV file cannot be read: it claims 1 Hz, where 1000 to 192000 can be read."),
        (wav(SENTENCE, tag=85), "The WAV file cannot be read: samples of codec 85 with 16 bits are not supported; "),
        (b"ID3\x04" + b"no music at all" * 100, "The file cannot be read as audio;"),
    ],
    ids=["empty", "text", "a letter", "no samples", "cut header", "no channels", "slow", "codec", "no mp3"],
)
def test_what_is_not_audio_is_refused_with_the_reason(body: bytes, said: str) -> None:
    """As the body and as a form's file."""
    answer = fault(upload(body))
    assert (400, "not_audio") == answer[:2]
    assert answer[2].startswith(said)
    if body:
        assert answer == fault(upload(*form(body)))


def test_an_mp3_of_half_a_minute_is_read() -> None:
    """With the extra, which the tests have."""
    found = upload(mp3(30.0)).json()
    assert 6 == len(found["segments"])
    assert abs(30_000 - found["duration_ms"]) < 100


def test_a_form_without_the_file_is_told_so() -> None:
    """By the field's name."""
    answer = fault(upload(*form(wav(SENTENCE), field="audio")))
    assert (422, "bad_request", "The form has no file in its field named file.") == answer


def test_too_large_is_refused_while_it_still_comes() -> None:
    """Without a length told beforehand: the answer is there before the body is."""
    given = 0

    async def body() -> Any:
        nonlocal given
        while given < 100:
            given += 1
            yield bytes(100_000)

    async def scenario(house: House) -> None:
        answer = await house.client.post("/v1/transcribe", content=body())
        assert (413, "too_large", "An upload may have at most 1 MB.") == fault(answer)
        assert 11 == given

    in_house(scenario, max_upload_mb=1)


@pytest.mark.parametrize("body", [wav(FIVE + FIVE), wav(FIVE + FIVE, claims=0), mp3(10.0)], ids=["wav", "stream", "mp3"])
def test_too_long_is_refused(body: bytes) -> None:
    """By what it decodes to."""
    assert (413, "too_large", "The recording is longer than the 9 s accepted here.") == fault(upload(body, max_upload_s=9))


@pytest.mark.parametrize("after_s", [0, 20])
def test_a_model_that_fails_fails_the_upload(after_s: int) -> None:
    """Also where silence follows what it failed on; nobody is told its words."""

    async def scenario(house: House) -> None:
        answer = await house.client.post("/v1/transcribe", content=wav(SENTENCE + silence(after_s)))
        assert (500, "model_failed") == fault(answer)[:2]
        assert SECRET not in answer.text + repr(house.log.events)
        assert "RuntimeError" == house.log.all_of("model failed")[0]["error"]
        assert 1.0 == (await house.client.get("/v1/metrics")).json()["error_rate"]

    in_house(scenario, model=BROKEN)


def test_a_model_that_takes_too_long_is_a_timeout() -> None:
    """504; the sweep sees it."""
    assert (504, "model_timeout") == fault(upload(wav(SENTENCE), model=STUCK, model_timeout_s=0.01))[:2]


def test_segments_go_through_the_model_side_by_side() -> None:
    """Four at once: the model answers nobody before all four are there. And never more."""
    answer = upload(wav(speech() + silence(1) + speech(8.0)), model=TOGETHER, model_timeout_s=5)
    assert 200 == answer.status_code
    assert ["heard"] * 8 == answer.json()["text"].split()
    assert 4 == Together.peak


def test_who_leaves_in_mid_body_is_no_fault_of_ours() -> None:
    """The connection breaks off: nothing is logged, and the upload counts as failed."""

    async def scenario(house: House) -> None:
        messages = iter([{"type": "http.request", "body": b"RIFF", "more_body": True}, {"type": "http.disconnect"}])
        sent = []

        async def receive() -> Any:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/v1/transcribe", "headers": [], "query_string": b""}
        await house.service.app(scope, receive, send)
        assert 422 == sent[0]["status"]
        assert [] == house.log.events
        numbers = (await house.client.get("/v1/metrics")).json()
        assert (1, 1.0) == (numbers["total_requests"], numbers["error_rate"])

    in_house(scenario)


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
    health = {"status": "ok", "active_sessions": 0, "worker": {"active_sessions": 0, "max_sessions": 7}}
    answer = ask("GET", "/v1/health", max_sessions=7)
    assert (200, health | {"version": __version__}) == (answer.status_code, answer.json())
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
        assert {*nothing} == {*found} >= {"total_requests", "active_connections", "requests_per_second", "avg_latency_ms"}

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
        assert all(name.startswith("earful_") for name in families)
        assert 2.0 == families["earful_uploads"].samples[0].value
        assert 0.0 == families["earful_sessions_active"].samples[0].value
        assert 2.0 == next(s.value for s in families["earful_upload_seconds"].samples if s.name.endswith("_count"))

    in_house(scenario)


# Sessions


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


def test_sessions_are_listed_in_pages() -> None:
    """In the order of their ids, each once, and the last page says so."""

    async def scenario(house: House) -> None:
        for name in "cabed":
            house.service.registry.connect(name, MuteWire())
        seen, cursor, pages = [], "", 0
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


# Every route


@cache
def own_routes() -> list[tuple[str, str]]:
    """Path and method of everything OpenAPI tells of."""
    paths: dict[str, dict[str, Any]] = ask("GET", "/openapi.json", drain=lambda: None).json()["paths"]
    return [(path, method.upper()) for path, methods in paths.items() for method in methods]


def every_answer(scenario: Callable[[House, str, str], Awaitable[None]]) -> None:
    """Run it for each route, in one house."""

    async def all_of_them(house: House) -> None:
        for path, method in own_routes():
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
        ("/v1/drain", "POST"),
    } == set(own_routes())


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


@pytest.mark.parametrize("path", ["/", "/nope", "/v1", "/v1/transcribe/stream", "/static-offline-docs/nope.js", "/v1/%00"])
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


# OpenAPI and /docs


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation of the document, with references followed."""
    document = ask("GET", "/openapi.json", drain=lambda: None).json()

    def follow(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return follow(document["components"]["schemas"][node["$ref"].rpartition("/")[2]])
            return {key: follow(value) for key, value in node.items()}
        return [follow(item) for item in node] if isinstance(node, list) else node

    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", follow(operation)


def test_every_json_answer_has_an_example_that_fits() -> None:
    """Of each route and status; an example has the fields that its schema requires."""
    for name, operation in operations():
        for status, answer in operation["responses"].items():
            schema = answer.get("content", {}).get("application/json", {}).get("schema")
            if schema is None:
                assert "/metrics" in name, name
                continue
            (example, *_) = schema["examples"]
            assert set(schema["required"]) == example.keys(), (name, status)


def test_every_error_is_described_in_the_one_form() -> None:
    """Never in the framework's own."""
    for name, operation in operations():
        for status, answer in operation["responses"].items():
            if status >= "4" and not (status == "503" and "transcribe" not in name):
                assert ["error"] == answer["content"]["application/json"]["schema"]["required"], (name, status)


def test_the_upload_tells_its_bodies_and_statuses() -> None:
    """Raw or as a form, and what may go wrong."""
    operation = dict(operations())["post /v1/transcribe"]
    content = operation["requestBody"]["content"]
    assert {"application/octet-stream", "audio/wav", "multipart/form-data"} <= content.keys()
    assert ["file"] == content["multipart/form-data"]["schema"]["required"]
    assert {"200", "400", "413", "415", "422", "500", "503", "504"} == operation["responses"].keys()


def test_the_docs_need_no_internet() -> None:
    """Everything the page loads is here, and is served."""

    async def scenario(house: House) -> None:
        page = (await house.client.get("/docs")).text
        loaded = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)""", page)
        assert {"/openapi.json"} < set(loaded)
        assert not re.search(r"https?://|[\"']//", page)
        for path in loaded:
            answer = await house.client.get(path)
            assert 200 == answer.status_code, path
            assert answer.content
        assert 200 == (await house.client.get("/docs/oauth2-redirect")).status_code

    in_house(scenario)
