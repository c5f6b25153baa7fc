"""Where each route is served: with the operations listener and without, as one table over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest
from tests.support.inside import Inside, inside
from tests.support.raw import RawSocket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Address


class Route(NamedTuple):
    """A request, and what its route answers where it is served."""

    method: str
    path: str
    status: int


PUBLIC = [Route("POST", "/v1/transcribe", 400)]
PROBES = [Route("GET", "/v1/health", 200), Route("GET", "/livez", 200), Route("GET", "/readyz", 200)]
OPERATIONS = [
    Route("GET", "/metrics", 200),
    Route("GET", "/v1/metrics", 200),
    Route("GET", "/v1/sessions", 200),
    Route("GET", "/v1/sessions/none", 404),
    Route("DELETE", "/v1/sessions/none", 404),
    Route("GET", "/v1/sessions/none/events", 404),
    Route("GET", "/v1/workers", 200),
    Route("GET", "/docs", 200),
    Route("GET", "/openapi.json", 200),
    Route("POST", "/v1/drain", 202),
    Route("PUT", "/v1/log-level", 422),
]
OWN = ["localhost", "localhost:9000", "127.0.0.1:9000", "[::1]:9000", "10.0.0.7"]
EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is tested
ABSENT = "Not Found: "
"""How the sentence begins where there is no such route: a route's own 404 says what is missing."""


@pytest.fixture(scope="module")
def apart() -> Iterator[Inside]:
    """A server with an operations listener."""
    with inside(ops_port=0) as here:
        yield here


@pytest.fixture(scope="module")
def together() -> Iterator[Inside]:
    """One without."""
    with inside() as here:
        yield here


def serves(address: Address, route: Route) -> bool:
    """Whether a route is there; where it is it answers as it should."""
    answer = address.request(route.method, route.path, b"")
    if answer.status == 404 and answer.tree["error"]["message"].startswith(ABSENT):
        return False
    assert route.status == answer.status
    return True


@pytest.mark.parametrize("route", PUBLIC + PROBES + OPERATIONS, ids=lambda route: f"{route.method} {route.path}")
def test_each_route_is_where_it_belongs(apart: Inside, together: Inside, route: Route) -> None:
    """Transcription is public, operations are apart where they can be, probes are on both."""
    assert serves(together.address, route)
    assert (route not in OPERATIONS, route not in PUBLIC) == (serves(apart.address, route), serves(apart.ops, route))


def test_streams_are_public(apart: Inside) -> None:
    """An upgrade at the operations listener is refused, without a word in the log."""
    with_stream, without = (RawSocket(address).upgrade() for address in (apart.address, apart.ops))
    assert (101, 403) == (with_stream.response.status, without.response.status)
    with_stream.say("stop")
    with_stream.hear_all()
    for raw in (with_stream, without):
        raw.close()


@pytest.mark.parametrize("order", [("POST", "/v1/drain", None), ("PUT", "/v1/log-level", b'{"level":"info"}')])
@pytest.mark.parametrize(
    ("headers", "is_obeyed"),
    [({}, [True, True]), ({"x-forwarded-for": "203.0.113.9"}, [False, True]), ({"origin": "http://x"}, [False, False])],
)
def test_who_may_give_orders(
    apart: Inside,
    together: Inside,
    order: tuple[str, str, bytes | None],
    headers: dict[str, str],
    is_obeyed: list[bool],
) -> None:
    """Who reaches the operations listener, through a proxy too; at the public port only this machine; never a page."""
    given = {"content-type": "application/json", **headers}
    statuses = [here.ops.request(*order, headers=given).status for here in (together, apart)]
    assert [not obeyed for obeyed in is_obeyed] == [status == 403 for status in statuses]
    assert set(statuses) <= {200, 202, 403}


def test_a_full_server_answers_its_operators() -> None:
    """Every place is taken, and newcomers are refused: who asks why is not."""
    with inside(ops_port=0, max_sessions=1, resume_reserve=0) as here:
        raw = RawSocket(here.address).upgrade()
        refused = RawSocket(here.address).upgrade()
        assert 503 == refused.response.status
        sessions = here.ops.get("/v1/sessions")["sessions"]
        assert 1 == len(sessions)
        assert b"earful_" in here.ops.request("GET", "/metrics").body
        assert 202 == here.ops.request("DELETE", f"/v1/sessions/{sessions[0]['session_id']}").status
        raw.hear_all()
        raw.close()
        refused.close()


def test_answers_have_a_date_and_an_id(apart: Inside) -> None:
    """As the public ones."""
    headers = apart.ops.request("GET", "/v1/sessions").headers
    assert {"date", "x-request-id"} <= headers.keys()


@pytest.mark.parametrize(("host", "is_own"), [(None, True), *((host, True) for host in OWN), ("evil.example", False)])
def test_a_listener_of_the_machine_itself_has_no_other_name(
    apart: Inside, together: Inside, host: str | None, *, is_own: bool
) -> None:
    """A page whose name was bent to it learns nothing there; at the public port a proxy may have any name."""
    headers = {} if host is None else {"host": host}
    for path in ("/v1/sessions", "/metrics", "/v1/workers"):
        statuses = [here.ops.request("GET", path, headers=headers).status for here in (apart, together)]
        assert [200 if is_own else 403, 200] == statuses
    assert 200 == apart.ops.request("GET", "/livez", headers=headers).status


def test_a_listener_for_a_network_has_any_name() -> None:
    """A scraper's, a proxy's."""
    with inside(ops_port=0, ops_host=EVERYWHERE) as here:
        assert 200 == here.ops.request("GET", "/v1/sessions", headers={"host": "earful-0.example"}).status


def test_no_page_ends_a_session(apart: Inside, together: Inside) -> None:
    """Neither there nor at the public port."""
    for here in (apart, together):
        headers = {"origin": "http://evil.example"}
        assert 403 == here.ops.request("DELETE", "/v1/sessions/none", headers=headers).status


def test_nobody_is_sent_elsewhere(apart: Inside) -> None:
    """A slash too many is another path, not a redirect to what `Host` says."""
    for address in (apart.address, apart.ops):
        assert 404 == address.request("GET", "/livez/", headers={"host": "evil.example"}).status
