"""`earful drain`: which address it asks, and what it says when nobody drains."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.answering import answering
from tests.support.server import running

from earful.cli.drain import drain, drain_address

if TYPE_CHECKING:
    from contextlib import AbstractContextManager


def refusing(status: int) -> AbstractContextManager[str]:
    """A server that answers with this, whoever is to drain; its address."""
    return answering({"/v1/drain": (status, b"")})


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
        ("http://[::1", None),
        ("127.0.0.1:99999", None),
        ("http://127.0.0.1:abc", None),
    ],
)
def test_any_form_of_address_will_do(url: str, address: str | None) -> None:
    """With or without a scheme, and the one that was given to `transcribe`."""
    assert address == drain_address(url)


def test_nobody_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing listens on port 1."""
    assert 1 == drain("127.0.0.1:1")
    assert "earful: Nothing answers at http://127.0.0.1:1/v1/drain; is the worker running?\n" == capsys.readouterr().err


@pytest.mark.parametrize("url", ["file:///etc", "http://[::1", "127.0.0.1:99999", "http://a b", "http://.."])
def test_no_address_is_one_sentence(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not asked whether the worker runs."""
    assert 1 == drain(url)
    assert f"earful: {url} is no address: write it as http://HOST:PORT.\n" == capsys.readouterr().err


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, "403; only a client on the worker's own machine may drain it."),
        (404, "404; where there is an operations listener, only that takes orders."),
        (502, "502 Bad Gateway."),
        (599, "599."),
    ],
)
def test_a_refusal_is_told_as_it_is(status: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Only 403 means that somebody else must ask."""
    with refusing(status) as url:
        assert 1 == drain(url)
    assert f"earful: {url}/v1/drain answered {said}\n" == capsys.readouterr().err


def test_a_credential_in_the_address_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing answers there, and the sentence has stars."""
    assert 1 == drain("http://me:hush@127.0.0.1:1")
    assert "earful: Nothing answers at http://***@127.0.0.1:1/v1/drain; is" in capsys.readouterr().err


def test_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A proxy would be told of a worker it cannot reach, or drain it from elsewhere."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with refusing(502) as proxy, refusing(404) as url:
        monkeypatch.setenv("http_proxy", proxy)
        assert 1 == drain(url)
    assert "answered 404" in capsys.readouterr().err


def test_a_worker_drains_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    """Asked, it ends by itself with 0; asked again there is nobody."""
    with running() as server:
        assert 0 == drain(server.address.http)
        assert 0 == server.exit_code()
    assert "is draining" in capsys.readouterr().out
