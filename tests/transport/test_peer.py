"""Who a client is: the socket's address, unless a trusted proxy says otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.rings import rings_left_by
from uvicorn import Config

from earful.transport.peer import peer_of

FORWARDED = [(b"x-forwarded-for", b"203.0.113.9, 198.51.100.2"), (b"x-forwarded-proto", b"https")]


def config(**options: Any) -> Config:
    """A server's."""
    return Config(lambda: None, log_config=None, **options)


@pytest.mark.parametrize(
    ("peername", "options", "peer"),
    [
        (("127.0.0.1", 1), {}, "198.51.100.2"),
        (("192.0.2.1", 1), {}, "192.0.2.1"),
        (("192.0.2.1", 1), {"forwarded_allow_ips": "192.0.2.0/24,198.51.100.2"}, "203.0.113.9"),
        (("192.0.2.1", 1), {"forwarded_allow_ips": "*"}, "203.0.113.9"),
        (("127.0.0.1", 1), {"proxy_headers": False}, "127.0.0.1"),
        (("2001:db8::1", 1, 0, 0), {}, "2001:db8::1"),
        (None, {}, "unix"),
        ("", {}, "unix"),
        ("/run/client.sock", {"proxy_headers": False}, "unix"),
        ("", {"forwarded_allow_ips": "unix"}, "198.51.100.2"),
        ("", {"forwarded_allow_ips": "unix,198.51.100.0/24"}, "203.0.113.9"),
        (("192.0.2.1", 1), {"forwarded_allow_ips": "unix"}, "192.0.2.1"),
        (("::ffff:127.0.0.1", 1, 0, 0), {}, "198.51.100.2"),
        (("::ffff:192.0.2.1", 1, 0, 0), {}, "192.0.2.1"),
        (("::ffff:1:0:1", 1, 0, 0), {}, "::ffff:1:0:1"),
        (("::ffff:x", 1, 0, 0), {}, "::ffff:x"),
    ],
)
def test_only_a_trusted_proxy_speaks_for_others(peername: Any, options: dict[str, Any], peer: str) -> None:
    """The last address that no trusted proxy vouches for, as uvicorn has it."""
    assert peer == peer_of(peername, FORWARDED, config(**options))


def test_a_proxy_that_says_nothing_is_the_peer() -> None:
    """There is nobody else to name."""
    assert "127.0.0.1" == peer_of(("127.0.0.1", 1), [], config())


@pytest.mark.parametrize("trusted", ["127.0.0.1", ["127.0.0.1", "192.0.2.1"]])
def test_who_asks_again_leaves_nothing_to_the_collector(trusted: str | list[str]) -> None:
    """Each connection asks."""
    server = config(forwarded_allow_ips=trusted)
    assert 0 == rings_left_by(lambda: peer_of(("127.0.0.1", 1), FORWARDED, server))
