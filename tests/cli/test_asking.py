"""Asking a worker: an answer, or one sentence that says why there is none."""

from __future__ import annotations

import msgspec
import pytest
from tests.support.answering import answering

from earful.cli.asking import UnansweredError, address_at, ask


class Word(msgspec.Struct):
    """A single one."""

    status: str


def sentence(url: str, path: str = "/x") -> tuple[str, int | None]:
    """Why nothing was answered."""
    with pytest.raises(UnansweredError) as refused:
        ask(url, path, Word)
    return str(refused.value), refused.value.status


def test_an_answer_is_read() -> None:
    """Fields that nobody asked for are passed over."""
    with answering({"/x": {"status": "ok", "more": 1}}) as url:
        assert "ok" == ask(url, "/x", Word).status
        assert "ok" == ask(url.removeprefix("http://"), "/x", Word).status


def test_a_status_may_be_an_answer_too() -> None:
    """Where it was asked for."""
    with answering({"/x": (503, {"status": "draining"})}) as url:
        assert "draining" == ask(url, "/x", Word, or_status=503).status
        assert (f"{url}/x answered 503 Service Unavailable.", 503) == sentence(url)


def test_a_refusal_is_told_with_its_own_sentence() -> None:
    """On one line, and no longer than a sentence is."""
    said = {"error": {"code": "overloaded", "message": "The store\nis away." + "!" * 999}}
    with answering({"/x": (503, said)}) as url:
        told, status = sentence(url)
    assert 503 == status
    assert told.startswith(f"{url}/x answered 503 Service Unavailable: The store\N{REPLACEMENT CHARACTER}is away.!")
    assert len(told) < 300


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"error": 3}', b"\xff"])
def test_a_refusal_without_one_is_told_by_its_status(body: bytes) -> None:
    """A proxy says what it likes."""
    with answering({"/x": (502, body)}) as url:
        assert (f"{url}/x answered 502 Bad Gateway.", 502) == sentence(url)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b'{"status": 3}', b"\xff"])
def test_what_no_earful_answers(body: bytes) -> None:
    """Is told as that."""
    with answering({"/x": body}) as url:
        assert (f"{url}/x answered something else than an earful does.", None) == sentence(url)


def test_nobody_there() -> None:
    """Nothing listens on port 1."""
    assert ("Nothing answers at http://127.0.0.1:1/x; is the worker running?", None) == sentence("127.0.0.1:1")


@pytest.mark.parametrize("url", ["file:///etc", "http://[::1", "127.0.0.1:99999", "http://a b", "http://.."])
def test_no_address(url: str) -> None:
    """Is no worker that does not answer."""
    assert (f"{url} is no address: write it as http://HOST:PORT.", None) == sentence(url)


def test_no_credential_is_shown() -> None:
    """Of an address with one."""
    assert "secret" not in sentence("http://user:secret@127.0.0.1:1")[0]


def test_the_path_takes_the_place_of_any_other() -> None:
    """The address of a stream will do."""
    assert "http://host:9000/x" == address_at("ws://host:9000/v1/transcribe/stream", "/x")
