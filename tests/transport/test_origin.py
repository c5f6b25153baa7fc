"""Where a request comes from: its own ids where they are sane, else drawn ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.transport.origin import origin_of

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def test_sane_ids_are_kept() -> None:
    """The request's and the trace's, with the header itself."""
    origin = origin_of([(b"x-request-id", b"mine-7"), (b"traceparent", PARENT.encode())], "192.0.2.7", "fast")
    assert ("mine-7", TRACE, PARENT) == (origin.request_id, origin.trace_id, origin.traceparent)
    assert ("192.0.2.7", "fast") == (origin.peer, origin.transport)


def test_ids_that_are_not_there_are_drawn() -> None:
    """Each its own."""
    one, other = (origin_of([], "", "asgi") for _ in range(2))
    assert ("", 16, 32) == (one.traceparent, len(one.request_id), len(one.trace_id))
    assert (one.request_id, one.trace_id) != (other.request_id, other.trace_id)


@pytest.mark.parametrize(
    "given_header",
    [
        "",
        PARENT[:-1],
        PARENT.upper(),
        PARENT + "-more",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        PARENT.replace("a", "\u0430"),
        f"01-{TRACE}-00f067aa0ba902b7-01more",
        "\x1b[31m" + PARENT,
    ],
)
def test_a_traceparent_that_is_none_counts_as_absent(given_header: str) -> None:
    """W3C Trace Context: restart the trace."""
    origin = origin_of([(b"traceparent", given_header.encode("latin-1", "replace"))], "", "fast")
    assert ("", True) == (origin.traceparent, origin.trace_id != TRACE)


def test_two_traceparents_count_as_none() -> None:
    """Nobody can say which."""
    header = (b"traceparent", PARENT.encode())
    assert "" == origin_of([header, header], "", "fast").traceparent


def test_a_later_version_may_say_more() -> None:
    """What is known of it is read."""
    origin = origin_of([(b"traceparent", f"01-{TRACE}-00f067aa0ba902b7-01-more".encode())], "", "fast")
    assert (TRACE, f"01-{TRACE}-00f067aa0ba902b7-01") == (origin.trace_id, origin.traceparent)


@given(st.lists(st.tuples(st.sampled_from([b"x-request-id", b"traceparent", b"cookie"]), st.binary(max_size=200))))
def test_whatever_is_sent_comes_out_plain(headers: list[tuple[bytes, bytes]]) -> None:
    """Short, and without anything that could break a line."""
    origin = origin_of(headers, "", "fast")
    assert re.fullmatch(r"[A-Za-z0-9._:/+=@-]{1,128}", origin.request_id)
    assert re.fullmatch(r"[0-9a-f]{32}", origin.trace_id)
    assert re.fullmatch(r"[0-9a-f-]{0,55}", origin.traceparent)


@pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::7", "[2001:db8::7]:443", "192.0.2.7:80"])
def test_a_peer_is_an_address(peer: str) -> None:
    """In whatever form proxies write it."""
    assert peer == origin_of([], peer, "fast").peer


@pytest.mark.parametrize("peer", ["", "x" * 1000, "1" * 65, "me\n", "\x1b[31m", "s3cr3t"])
def test_what_is_no_address_is_nobody(peer: str) -> None:
    """A client behind a trusted proxy may say anything."""
    assert "" == origin_of([], peer, "fast").peer
