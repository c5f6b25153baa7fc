"""Addresses: what a URL says, and the sentence for one that cannot be used."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.store.address import StoreAddress, StoreKind, StoreUrlError

MEMORY, REDIS, SENTINEL, CLUSTER = StoreKind.MEMORY, StoreKind.REDIS, StoreKind.SENTINEL, StoreKind.CLUSTER


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("memory://", StoreAddress(MEMORY)),
        ("redis://cache", StoreAddress(REDIS, (("cache", 6379),))),
        ("redis://cache:7000/", StoreAddress(REDIS, (("cache", 7000),))),
        ("redis://cache/3", StoreAddress(REDIS, (("cache", 6379),), options={"db": 3})),
        ("redis://cache?db=3", StoreAddress(REDIS, (("cache", 6379),), options={"db": 3})),
        ("redis://[::1]:7000", StoreAddress(REDIS, (("::1", 7000),))),
        ("redis://:p%40ss@cache", StoreAddress(REDIS, (("cache", 6379),), options={"password": "p@ss"})),
        (
            "rediss://me:pw@cache/1?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=false&ssl_cert_reqs=none",
            StoreAddress(
                REDIS,
                (("cache", 6379),),
                tls=True,
                options={
                    "username": "me",
                    "password": "pw",
                    "db": 1,
                    "ssl_ca_certs": "/etc/ca.pem",
                    "ssl_check_hostname": False,
                    "ssl_cert_reqs": "none",
                },
            ),
        ),
        (
            "redis+sentinel://a:1,b,[::1]:3/main",
            StoreAddress(SENTINEL, (("a", 1), ("b", 26_379), ("::1", 3)), service="main"),
        ),
        (
            "rediss+sentinel://:data@a/ma%20in?db=2&sentinel_password=watch",
            StoreAddress(
                SENTINEL,
                (("a", 26_379),),
                tls=True,
                service="ma in",
                options={"db": 2, "sentinel_password": "watch", "password": "data"},
            ),
        ),
        ("redis+cluster://a:1,b:2", StoreAddress(CLUSTER, (("a", 1), ("b", 2)))),
        ("rediss+cluster://a", StoreAddress(CLUSTER, (("a", 6379),), tls=True)),
    ],
)
def test_what_a_url_says(url: str, address: StoreAddress) -> None:
    """Kind, hosts, TLS, service and options."""
    assert address == StoreAddress.parse(url)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "begins with no scheme"),
        ("cache:6379", "begins with cache"),
        ("http://cache", "begins with http"),
        ("memory://here", "takes nothing"),
        ("memory:///", "takes nothing"),
        ("redis://", "name its hosts"),
        ("redis://:6379", "name its hosts"),
        ("redis://cache:0", "name its hosts"),
        ("redis://cache:65536", "name its hosts"),
        ("redis://cache:port", "name its hosts"),
        ("redis://a,b", "only one host"),
        ("redis://[::1", "must name its hosts"),
        ("redis+cluster://a,,b", "name its hosts"),
        ("redis+cluster://a,[b", "must name its hosts"),
        ("redis+cluster://a,b]", "must name its hosts"),
        ("redis+cluster://a/1", "no database's number"),
        ("redis+cluster://a?db=1", "only database 0"),
        ("redis+sentinel://a", "must end with /service"),
        ("redis://cache/main", "no database's number"),
        ("redis://cache?socket_timeout=5", "option socket_timeout"),
        ("redis://cache?db=one", "value for db"),
        ("redis://cache?ssl_check_hostname=maybe", "value for ssl_check_hostname"),
        ("redis://cache?ssl_cert_reqs=perhaps", "value for ssl_cert_reqs"),
    ],
)
def test_what_cannot_be_used(url: str, sentence: str) -> None:
    """Is said in one sentence."""
    with pytest.raises(StoreUrlError, match=sentence):
        StoreAddress.parse(url)


def test_no_password_is_shown() -> None:
    """Neither by an address nor by a complaint."""
    assert "hidden" not in repr(StoreAddress.parse("redis://me:hidden@cache"))
    with pytest.raises(StoreUrlError) as complaint:
        StoreAddress.parse("redis://me:hidden@cache:port/?db=hidden")
    assert "hidden" not in str(complaint.value)


@given(st.text() | st.text().map("redis://".__add__) | st.text().map("redis+sentinel://".__add__))
def test_any_text_is_an_address_or_a_sentence(url: str) -> None:
    """And never another exception."""
    with contextlib.suppress(StoreUrlError):
        StoreAddress.parse(url)
