"""The upgrade request: what it asks for, what is wrong with it, and how it is answered."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.raw import request

from earful.transport.upgrade import UpgradeRequest, granted, parse, response

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def asked(**headers: str) -> UpgradeRequest:
    """A good request with these headers beside its own."""
    return parse(request(**headers))


def without(name: bytes, *instead: tuple[bytes, bytes]) -> UpgradeRequest:
    """A good request with other headers of this name."""
    good = asked()
    kept = [header for header in good.headers if header[0] != name]
    return UpgradeRequest(good.method, good.path, good.query, [*kept, *instead])


def test_a_request_is_read() -> None:
    """Method, path and query decoded, header names in lower case, values without the space around them."""
    read = parse(b"GET /v1/a%20b?resume=1&x=%C3%BC&x=2&y HTTP/1.1\r\nHost: server\r\nX-A:  b \r\nX-C:\r\n\r\nrest")
    assert ("GET", "/v1/a b", {"resume": ["1"], "x": ["ü", "2"]}) == (read.method, read.path, read.query)
    assert [(b"host", b"server"), (b"x-a", b"b"), (b"x-c", b"")] == read.headers


def test_values_of_a_header_stand_in_one_line_or_in_several() -> None:
    """Empty ones are none."""
    headers = [(b"a", b"1, 2"), (b"b", b"3"), (b"a", b",4 ,")]
    assert ["1", "2", "4"] == UpgradeRequest("GET", "/", {}, headers).values(b"a")


def test_a_good_request_has_no_fault() -> None:
    """Firefox's neither, nor one that came through proxies."""
    assert asked().fault() is None
    assert asked(Cookie="a=b", Pragma="no-cache", X_Forwarded_For="203.0.113.9").fault() is None


@pytest.mark.parametrize("version", [b"7", b"8", b"12", b"14", b"", b"x", b"13, 8"])
def test_other_versions_are_told_so(version: bytes) -> None:
    """426."""
    assert HTTPStatus.UPGRADE_REQUIRED == without(b"sec-websocket-version", (b"sec-websocket-version", version)).fault()
    assert HTTPStatus.UPGRADE_REQUIRED == without(b"sec-websocket-version").fault()


@pytest.mark.parametrize("key", [b"", b"x", b"AAAA", b"!" * 24, b"A" * 25, b"\xff" * 24, KEY[:-2], KEY + b"=="])
def test_a_key_must_be_sixteen_bytes_in_base64(key: bytes) -> None:
    """400."""
    assert HTTPStatus.BAD_REQUEST == without(b"sec-websocket-key", (b"sec-websocket-key", key)).fault()


def test_there_is_one_key() -> None:
    """Not none, not two."""
    name = b"sec-websocket-key"
    assert HTTPStatus.BAD_REQUEST == without(name).fault()
    assert HTTPStatus.BAD_REQUEST == without(name, (name, KEY), (name, KEY)).fault()


def test_only_get_becomes_a_websocket() -> None:
    """405."""
    assert HTTPStatus.METHOD_NOT_ALLOWED == parse(request().replace(b"GET", b"POST")).fault()


def test_the_proof_is_that_of_the_rfc() -> None:
    """RFC 6455, section 1.3."""
    name = b"sec-websocket-key"
    assert "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" == without(name, (name, KEY)).accept_key()


def test_an_answer_has_a_length_and_ends_the_connection() -> None:
    """Status, headers in order, body."""
    answer = response(HTTPStatus.SERVICE_UNAVAILABLE, [(b"retry-after", b"3")], b"{}")
    assert (
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 3\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
        == answer
    )


def test_an_upgrade_that_is_granted_has_no_body() -> None:
    """And does not end the connection."""
    assert (
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
        b"sec-websocket-accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\na: b\r\n\r\n"
    ) == granted(asked(), [(b"a", b"b")])


@given(st.text("abc/%?&=ü0123456789", max_size=40))
def test_any_target_can_be_read(target: str) -> None:
    """As something."""
    read = parse(f"GET /{target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert read.path.startswith("/")
