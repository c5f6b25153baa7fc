"""Where a request comes from: its own ids where they are sane, else drawn ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.telemetry.traceparent import TraceParent, trace_id_of
from earful.transport.origin import origin_of

CALLER = TraceParent("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", sampled=True)
PARENT = f"00-{CALLER.trace_id}-{CALLER.span_id}-01"


def test_sane_ids_are_kept() -> None:
    """The request's and the trace's, of which each line of a session tells."""
    origin = origin_of([(b"x-request-id", b"mine-7"), (b"traceparent", PARENT.encode())], "192.0.2.7", "fast")
    assert ("mine-7", CALLER) == (origin.request_id, origin.parent)
    assert {"request_id": "mine-7", "trace_id": CALLER.trace_id} == origin.context("a-session")
    assert ("192.0.2.7", "fast") == (origin.peer, origin.transport)


def test_a_request_id_that_is_not_there_is_drawn() -> None:
    """Each its own; the trace is the session's, whichever request it came with."""
    one, other = (origin_of([], "", "asgi") for _ in range(2))
    assert (None, 16) == (one.parent, len(one.request_id))
    assert one.request_id != other.request_id
    assert {trace_id_of("a")} == {origin.context("a")["trace_id"] for origin in (one, other)}


@pytest.mark.parametrize("sent", ["", PARENT.upper(), PARENT.replace("a", "\xe0"), "\x1b[31m" + PARENT, f"{PARENT},b"])
def test_a_traceparent_that_is_none_counts_as_absent(sent: str) -> None:
    """And costs nothing."""
    assert None is origin_of([(b"traceparent", sent.encode("latin-1"))], "", "fast").parent


def test_two_traceparents_count_as_none() -> None:
    """Nobody can say which."""
    header = (b"traceparent", PARENT.encode())
    assert None is origin_of([header, header], "", "fast").parent


@given(st.lists(st.tuples(st.sampled_from([b"x-request-id", b"traceparent", b"cookie"]), st.binary(max_size=200))))
def test_whatever_is_sent_comes_out_plain(headers: list[tuple[bytes, bytes]]) -> None:
    """Short, and without anything that could break a line."""
    origin = origin_of(headers, "", "fast")
    assert re.fullmatch(r"[A-Za-z0-9._:/+=@-]{1,128}", origin.request_id)
    assert re.fullmatch(r"[0-9a-f]{32}", origin.context("a")["trace_id"])


@pytest.mark.parametrize("peer", ["192.0.2.7", "2001:db8::7", "[2001:db8::7]:443", "192.0.2.7:80"])
def test_a_peer_is_an_address(peer: str) -> None:
    """In whatever form proxies write it."""
    assert peer == origin_of([], peer, "fast").peer


@pytest.mark.parametrize("peer", ["", "x" * 1000, "1" * 65, "me\n", "\x1b[31m", "s3cr3t"])
def test_what_is_no_address_is_nobody(peer: str) -> None:
    """A client behind a trusted proxy may say anything."""
    assert "" == origin_of([], peer, "fast").peer
