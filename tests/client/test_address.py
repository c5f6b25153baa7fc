"""Addresses that are shown: what may be a credential is not."""

from __future__ import annotations

import pytest

from earful.client.address import shown


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:8000", "wss://[::1]/v1/transcribe/stream?resume=1", "h:80", "", "ws://a/?x&refuse=close#b"]
)
def test_what_is_no_secret_is_shown_as_it_is(url: str) -> None:
    """Parameters of ours too."""
    assert url == shown(url)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("ws://me:secret@host:1/path", "ws://***@host:1/path"),
        ("secret@host", "***@host"),
        ("WSS://me:se/c?r#e@t@host/", "WSS://***@host/"),
        ("me:secret@host:port", "***@host:port"),
        ("ws://host/?token=secret&resume=1&key=secret#x", "ws://host/?token=***&resume=1&key=***#x"),
        ("ws://me:secret@host?token=secret", "ws://***@host?token=***"),
        ("ws://host?token=sec=ret", "ws://host?token=***"),
        ("ws://me:secret\n@host", "ws://***@host"),
    ],
)
def test_what_may_be_a_secret_is_not_shown(url: str, seen: str) -> None:
    """Neither in an address nor in what is none."""
    assert seen == shown(url)
