"""Access over both transports: two tenants apart, origins, tokens that come late, and no key in any log."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from tests.access.keys import ACME, GLOBEX, ROOT, key_file
from tests.support.inside import Inside, inside
from tests.support.raw import BINARY, TEXT, RawSocket, connected, request
from tests.support.server import Answer, await_true
from tests.support.sounds import wav
from tests.support.speech import SENTENCE, expected, finals, pieces

from earful.transport.upgrade import PATH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

OPEN_ROUTES = {"/v1/health", "/livez", "/readyz"}
DOCS = {"/docs", "/docs/oauth2-redirect", "/openapi.json", "/static-offline-docs"}
"""The same for everybody, and in the repository; what else is no router's would have to be looked at by itself."""
PAGE = "https://app.example.org"
QUICK: dict[str, Any] = {"mock_latency_ms": 1, "max_speed": 0, "handshake_timeout_s": 1.0, "log_level": "debug"}


def settings_of(folder: Path, **rest: str) -> dict[str, Any]:
    """Keys of two tenants and an operator, and one page."""
    return {
        "auth": "static",
        "auth_options": {"file": str(key_file(folder, **rest))},
        "allowed_origins": f"{PAGE},https://other.example.org",
        **QUICK,
    }


@pytest.fixture
def server(transport: str, tmp_path: Path) -> Iterator[Inside]:
    """One that asks; nothing of anybody is left at its end."""
    with inside(transport=transport, **settings_of(tmp_path)) as here:
        tasks = here.tasks
        yield here
        here.await_empty(tasks)


def ask(server: Inside, method: str, path: str, key: str | None, body: bytes | None = None) -> Answer:
    """A request with this key, if any."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
    return server.address.request(method, path, body, headers)


def begin(server: Inside, key: str, query: str = "") -> RawSocket:
    """A stream of this key's tenant, that has begun."""
    raw = RawSocket(server.address)
    raw.upgrade(PATH + query, X_Api_Key=key)
    assert 101 == raw.response.status
    return raw


def cut(answer: Answer) -> tuple[int, Any]:
    """An answer, without what is every answer's own."""
    tree = answer.tree
    if isinstance(tree, dict):
        tree.get("error", {}).pop("request_id", None)
    return answer.status, tree


def test_behind_a_wrong_key_the_next_is_refused_before_http(server: Inside) -> None:
    """In the same words, whichever transport there is."""
    entrance = server.service.registry.entrance
    assert entrance is not None
    said = []
    for is_tried in (False, True):
        assert is_tried == server.call(lambda: entrance.is_tried)
        said.append(RawSocket(server.address).upgrade(X_Api_Key="wrong", X_Request_Id="mine").response)
    assert [401, 401] == [answer.status for answer in said]
    assert said[0].body == said[1].body


def test_every_route_asks(server: Inside) -> None:
    """Also those that will be added: without a key, or with a wrong one, each is 401, but for those that are open.

    To a page that is not listed it is 403 before that, and OpenAPI says both of it.
    """
    app = server.service.app
    beside = {path for route in app.routes if (path := getattr(route, "path", None)) is not None}
    assert {*DOCS, PATH, "/{path:path}"} == beside
    closed = {path: methods for path, methods in app.openapi()["paths"].items() if path not in OPEN_ROUTES}
    assert {"/v1/transcribe", "/v1/sessions", "/metrics", "/v1/drain"} < closed.keys()
    for path, methods in closed.items():
        for method in methods:
            here = path.replace("{session_id}", "x")
            assert 403 == server.address.request(method.upper(), here, None, {"origin": "https://evil.net"}).status
            assert {"401", "403", "429"} <= methods[method]["responses"].keys()
            for key in (None, "wrong", ACME[:-1]):
                answer = ask(server, method.upper(), here, key)
                assert (401, "unauthorized", True) == (
                    answer.status,
                    answer.tree["error"]["code"],
                    "www-authenticate" in answer.headers,
                )


def test_every_route_counts_who_asks(transport: str, tmp_path: Path) -> None:
    """One address may ask so often; then it is told when to ask again, as OpenAPI says of each."""
    with inside(transport=transport, **settings_of(tmp_path), max_handshakes_per_s=0.001) as here:
        assert 200 == ask(here, "GET", "/v1/sessions", ACME).status
        for path, methods in here.service.app.openapi()["paths"].items():
            for method, told in methods.items():
                answer = ask(here, method.upper(), path.replace("{session_id}", "x"), ROOT)
                assert str(answer.status) in told["responses"], path
                asks = path not in OPEN_ROUTES
                assert (asks, asks) == (answer.status == 429, "retry-after" in answer.headers), path


def test_health_is_open(server: Inside) -> None:
    """Orchestrators have no key."""
    assert {200} == {ask(server, "GET", path, None).status for path in OPEN_ROUTES}


def test_nothing_of_one_tenant_is_visible_to_the_other(server: Inside) -> None:
    """A foreign session is answered as one that never was, on every route; its own tenant and an operator see it."""
    raw = begin(server, ACME)
    session_id = raw.response.headers["x-session-id"]
    own, unknown = f"/v1/sessions/{session_id}", "/v1/sessions/never-was"
    for method in ("GET", "DELETE"):
        assert cut(ask(server, method, unknown, GLOBEX)) == cut(ask(server, method, own, GLOBEX))
        assert 404 == ask(server, method, own, GLOBEX).status
    listed = {key: ask(server, "GET", "/v1/sessions", key).tree["sessions"] for key in (ACME, GLOBEX, ROOT)}
    assert (1, 0, 1) == tuple(len(listed[key]) for key in (ACME, GLOBEX, ROOT))
    assert "acme" == listed[ACME][0]["tenant"] == ask(server, "GET", own, ACME).tree["tenant"]
    for path in ("/v1/metrics", "/metrics", "/v1/workers", f"{own}/events"):
        assert [403, 403, 200] == [ask(server, "GET", path, key).status for key in (ACME, GLOBEX, ROOT)]
    assert 202 == ask(server, "DELETE", own, ACME).status
    assert 1000 == raw.hear_all()[1].code
    raw.close()


def test_orders_want_an_operator_on_this_machine(server: Inside) -> None:
    """Either alone will not do."""
    body = b'{"level": "debug"}'
    said = [ask(server, "PUT", "/v1/log-level", key, body).status for key in (None, ACME, ROOT)]
    assert [401, 403, 200] == said
    forwarded = {"authorization": f"Bearer {ROOT}", "x-forwarded-for": "192.0.2.7"}
    assert 403 == server.address.request("PUT", "/v1/log-level", body, forwarded).status


def test_a_foreign_cursor_is_as_good_as_none(server: Inside) -> None:
    """Its tenant may go on with it; another is told what anybody is told of a bad one."""
    raw = begin(server, ACME)
    raw.say("start")
    cursor = raw.hear()["cursor"]
    for key, given in ((GLOBEX, cursor), (GLOBEX, "x")):
        thief = begin(server, key)
        thief.say("start", resume={"cursor": given, "attempt": 1})
        heard, end = thief.hear_all()
        assert (["resume_failed"], 4004) == ([message["code"] for message in heard], end.code)
        thief.close()
    back = begin(server, ACME)
    back.say("start", resume={"cursor": cursor, "attempt": 1})
    assert "started" == back.hear()["type"]
    assert 4010 == raw.hear_all()[1].code
    raw.close()
    back.say("stop")
    assert 1000 == back.hear_all()[1].code
    back.close()


@pytest.mark.parametrize("query", ["", "?refuse=close"])
def test_a_wrong_key_is_refused_before_the_upgrade(query: str, server: Inside) -> None:
    """Browsers, which see no status, are told behind it."""
    raw = RawSocket(server.address)
    raw.upgrade(PATH + query, Authorization="Bearer wrong")
    if query:
        heard, end = raw.hear_all()
        assert (["unauthorized"], 4001) == ([message["code"] for message in heard], end.code)
    else:
        assert 401 == raw.response.status
    raw.close()


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (None, 101),
        (PAGE, 101),
        ("null", 403),
        ("https://example.org", 403),
        ("https://evil-app.example.org", 403),
        (f"{PAGE}.evil.net", 403),
        (f"{PAGE}:8443", 403),
        ("http://app.example.org", 403),
    ],
)
def test_only_pages_that_are_listed_come_in(origin: str | None, status: int, server: Inside) -> None:
    """With a good key; also over REST."""
    headers = {} if origin is None else {"Origin": origin}
    raw = RawSocket(server.address)
    raw.upgrade(PATH, X_Api_Key=ACME, **headers)
    answer = server.address.request("GET", "/v1/sessions", None, {"x-api-key": ACME, **headers})
    assert (status, 200 if status == 101 else 403) == (raw.response.status, answer.status)
    raw.close()


def test_a_token_may_come_with_start(server: Inside) -> None:
    """Then the session is its tenant's, and goes on as any."""
    with connected(server.address, PATH) as raw:
        raw.say("start", token=ACME)
        for piece in pieces(SENTENCE):
            raw.send(BINARY, piece)
        raw.say("stop")
        heard, end = raw.hear_all()
    assert ("started", expected(SENTENCE), 1000) == (heard[0]["type"], finals(heard), end.code)
    (connected_line,) = server.log.all_of("session connected")
    assert "acme" == connected_line["tenant"]


def test_a_key_may_come_as_a_subprotocol(server: Inside) -> None:
    """Ours is selected, and the key is not repeated."""
    raw = RawSocket(server.address)
    raw.upgrade(PATH, Sec_WebSocket_Protocol=f"earful.v1, earful.key.{GLOBEX}")
    assert (101, "earful.v1") == (raw.response.status, raw.response.headers["sec-websocket-protocol"])
    raw.say("stop")
    assert 1000 == raw.hear_all()[1].code
    raw.close()


@pytest.mark.parametrize(
    "first",
    [
        b'{"type":"start"}',
        b'{"type":"start","token":""}',
        b'{"type":"start","token":"wrong"}',
        b'{"type":"stop"}',
        b'{"type":"audio_chunk","data":"AAAA"}',
        b"no json",
        None,
    ],
)
def test_nothing_is_heard_before_a_token(first: bytes | None, server: Inside) -> None:
    """Whatever else comes first, binary audio too, is 4001; there was never a session."""
    with connected(server.address, PATH) as raw:
        raw.send(BINARY if first is None else TEXT, first or bytes(3200))
        heard, end = raw.hear_all()
    assert (["unauthorized"], 4001) == ([message["code"] for message in heard], end.code)
    assert [] == server.log.all_of("session connected")
    assert {"unauthorized": 1} == server.service.registry.metrics.refusals


def test_who_says_nothing_is_let_go(server: Inside) -> None:
    """Within the time for a handshake; pings do not lengthen it."""
    with connected(server.address, PATH) as raw:
        heard, end = raw.hear_all()
    assert (["unauthorized"], 4001) == ([message["code"] for message in heard], end.code)


def test_nothing_is_left_of_who_goes_before_its_token(server: Inside) -> None:
    """Not even a timer."""
    with connected(server.address, PATH):
        assert server.service.registry.entrance is not None
        await_true(lambda: 1 == server.call(lambda: server.service.registry.taken))
    await_true(lambda: 0 == server.call(lambda: server.service.registry.taken))
    assert set() == server.service.registry.entrance.on_close


def test_a_drain_waits_for_no_token(transport: str, tmp_path: Path) -> None:
    """Who has not said who it is is told at once."""
    with inside(transport=transport, **settings_of(tmp_path) | {"handshake_timeout_s": 60.0}) as server:
        with connected(server.address, PATH) as raw:
            await_true(lambda: 1 == server.call(lambda: server.service.registry.taken))
            server.call(server.service.registry.entrance.close)  # type: ignore[union-attr]  # it asks
            heard, end = raw.hear_all()
        assert (["draining"], 1013) == ([message["code"] for message in heard], end.code)


def test_a_tenant_has_as_many_sessions_as_it_may(transport: str, tmp_path: Path) -> None:
    """Then it is 429, or told after `start`; to another tenant that is nothing, and who resumes comes in."""
    with inside(transport=transport, **settings_of(tmp_path, acme="max_sessions=1")) as server:
        first = begin(server, ACME)
        first.say("start")
        cursor = first.hear()["cursor"]
        second = RawSocket(server.address)
        second.upgrade(PATH, X_Api_Key=ACME)
        assert (429, True) == (second.response.status, "retry-after" in second.response.headers)
        second.close()
        with connected(server.address, PATH) as late:
            late.say("start", token=ACME)
            heard, end = late.hear_all()
        assert (["tenant_limit"], 1013) == ([message["code"] for message in heard], end.code)
        assert heard[0]["retry_after_ms"] >= 1000
        upload = ask(server, "POST", "/v1/transcribe", ACME, wav(SENTENCE))
        assert (429, "tenant_limit") == (upload.status, upload.tree["error"]["code"])
        assert 200 == ask(server, "POST", "/v1/transcribe", GLOBEX, wav(SENTENCE)).status
        begin(server, GLOBEX).close()
        with connected(server.address, PATH + "?resume=1") as late:
            late.say("start", token=ACME, resume={"cursor": cursor, "attempt": 1})
            assert "started" == late.hear()["type"]
            assert 4010 == first.hear_all()[1].code
            first.close()
        with connected(server.address, PATH) as later:
            later.say("start", token=ACME)
            later.hear()


def test_who_comes_above_the_limit_may_only_resume(transport: str, tmp_path: Path) -> None:
    """A new session on such a place is refused."""
    with inside(transport=transport, **settings_of(tmp_path, acme="max_sessions=1")) as server:
        first = begin(server, ACME)
        with connected(server.address, PATH + "?resume=1") as late:
            late.say("start", token=ACME)
            heard, end = late.hear_all()
        assert (["overloaded"], 1013) == ([message["code"] for message in heard], end.code)
        first.close()


def test_an_address_comes_no_more_often_than_it_may(transport: str, tmp_path: Path) -> None:
    """Behind a proxy that is trusted each client has its own."""
    settings = settings_of(tmp_path) | {"max_handshakes_per_s": 2.0, "trusted_proxies": "127.0.0.0/8"}
    with inside(transport=transport, **settings) as server:
        said = [
            server.address.request("GET", "/v1/sessions", None, {"x-api-key": ACME, "x-forwarded-for": peer})
            for peer in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.1")
        ]
        assert ([200, 200, 200, 429], True) == ([one.status for one in said], "retry-after" in said[-1].headers)
        raw = RawSocket(server.address)
        raw.upgrade(f"{PATH}?refuse=close", X_Api_Key=ACME, X_Forwarded_For="192.0.2.1")
        heard, end = raw.hear_all()
        assert (["rate_limited"], 1013) == ([message["code"] for message in heard], end.code)
        raw.close()


def test_a_new_file_of_keys_holds(server: Inside, tmp_path: Path) -> None:
    """For whoever comes after it; who is there stays."""
    raw = begin(server, ACME)
    file = tmp_path / "keys"
    file.write_text("\n".join(file.read_text("utf-8").splitlines()[1:]), "utf-8")
    await_true(lambda: 401 == ask(server, "GET", "/v1/sessions", ACME).status)
    assert 200 == ask(server, "GET", "/v1/sessions", GLOBEX).status
    raw.say("stop")
    assert 1000 == raw.hear_all()[1].code
    raw.close()


def test_on_the_operations_listener_nobody_is_asked(transport: str, tmp_path: Path) -> None:
    """It shows everybody's sessions; the public one has no such route."""
    with inside(transport=transport, ops_port=0, **settings_of(tmp_path)) as server:
        raw = begin(server, ACME)
        assert 1 == len(server.ops.get("/v1/sessions")["sessions"])
        assert 404 == ask(server, "GET", "/v1/sessions", ACME).status
        assert 401 == ask(server, "POST", "/v1/transcribe", None, b"x").status
        raw.close()


def test_no_key_is_logged(transport: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """At any level, ours or a library's, on any way in, right or wrong."""
    wrong, settings = "wrong-key-of-somebody", settings_of(tmp_path)
    settings["auth_options"] = {**settings["auth_options"], "in_query": True}
    caplog.set_level(logging.DEBUG)
    with inside(transport=transport, **settings) as server:
        for key in (ACME, wrong):
            for headers in (
                {"Authorization": f"Bearer {key}"},
                {"X_Api_Key": key},
                {"Sec_WebSocket_Protocol": f"earful.v1, earful.key.{key}"},
            ):
                raw = RawSocket(server.address)
                raw.send_bytes(request(PATH, **headers))
                raw.socket.recv(12)
                raw.close()
            for path in (f"{PATH}?token={key}", f"/v1/elsewhere?token={key}"):
                raw = RawSocket(server.address)
                raw.send_bytes(request(path))
                raw.socket.recv(12)
                raw.close()
            with connected(server.address, PATH) as raw:
                raw.say("start", token=key)
                raw.hear()
            ask(server, "GET", f"/v1/sessions?token={key}", None)
            ask(server, "GET", "/v1/sessions/x", key)
            ask(server, "POST", "/v1/transcribe", key, b"no audio")
        await_true(lambda: 0 == server.call(lambda: server.service.registry.taken))
        told = json.dumps(server.log.events, default=str) + caplog.text
    assert "session refused" in told
    assert [] == [key for key in (ACME, wrong) if key in told]
