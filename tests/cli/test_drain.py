"""`earful drain`: which address it asks, and what it says when nobody drains."""

from __future__ import annotations

import pytest
from tests.support.server import running

from earful.cli.drain import drain, drain_address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/v1/drain"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/v1/drain"),
        ("ws://localhost:9000/v1/transcribe/stream", "http://localhost:9000/v1/drain"),
        ("wss://host", "https://host/v1/drain"),
        ("http://[::1]:8000", "http://[::1]:8000/v1/drain"),
        ("ftp://host", None),
        ("http://", None),
    ],
)
def test_any_form_of_address_will_do(url: str, address: str | None) -> None:
    """With or without a scheme, and the one that was given to `transcribe`."""
    assert address == drain_address(url)


def test_nobody_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing listens on port 1."""
    assert 1 == drain("127.0.0.1:1")
    assert "earful: Nothing answers at http://127.0.0.1:1/v1/drain; is the worker running?\n" == capsys.readouterr().err


def test_no_address_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A path is no worker."""
    assert 1 == drain("file:///etc")
    assert "is no address" in capsys.readouterr().err


def test_a_worker_drains_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """Asked, it ends by itself with 0; asked again there is nobody."""
    with running() as server:
        assert 0 == drain(server.address.http)
        assert 0 == server.exit_code()
    assert "is draining" in capsys.readouterr().out
