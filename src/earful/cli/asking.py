"""Asking a worker over HTTP, for the commands that look at a running service.

Guarantees an answer or one sentence within a few seconds, and that no proxy is asked: it would not know the worker, or
would be taken for who asks. Used by `bench`, `drain`, `doctor`, `top` and `why`.
"""

from __future__ import annotations

import http.client
from contextlib import suppress
from typing import TypeVar
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import OpenerDirector, ProxyHandler, build_opener

import msgspec

from earful.cli.phrases import MOST_CHARACTERS, printable
from earful.client.address import shown

T = TypeVar("T")

TIMEOUT_S = 2.0
MOST_BYTES = 1 << 24


class _Fault(msgspec.Struct, frozen=True):
    """What every earful says where it refuses."""

    message: str


class _Refusal(msgspec.Struct, frozen=True):
    """The body of a refusal."""

    error: _Fault


class _Worker(msgspec.Struct, frozen=True):
    """Of a worker's numbers, its level of overload."""

    overload_level: int = 0


class _Health(msgspec.Struct, frozen=True):
    """A server's health; other servers than ours have no such field."""

    worker: _Worker = _Worker()


class UnansweredError(Exception):
    """Nothing was answered that can be used; the text is one sentence for whoever asked."""

    def __init__(self, sentence: str, status: int | None = None) -> None:
        """`status` is that of an HTTP answer, where there was one."""
        super().__init__(sentence)
        self.status = status


def address_at(url: str, path: str) -> str | None:
    """The address of `path` at a worker, for the worker's address in any of its forms; None where it is no address."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        _ = parts.port  # Read for its ValueError.
    except ValueError:
        return None
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    if scheme not in {"http", "https"} or not parts.hostname:
        return None
    return urlunsplit((scheme, parts.netloc, path, "", ""))


def no_address(url: str) -> str:
    """The sentence for what is no address."""
    return f"{shown(url)} is no address: write it as http://HOST:PORT."


def opener() -> OpenerDirector:
    """What asks without a proxy."""
    return build_opener(ProxyHandler({}))


def ask(url: str, path: str, answer: type[T], *, or_status: int | None = None) -> T:
    """The JSON of `GET path` at a worker as an `answer`; fields that it does not name are passed over.

    With `or_status` an answer of that status counts as well. Raises UnansweredError.
    """
    address = address_at(url, path)
    if address is None:
        raise UnansweredError(no_address(url))
    place = shown(address)
    try:
        return msgspec.json.decode(_body(address, or_status), type=answer)
    except HTTPError as refused:
        raise UnansweredError(f"{place} {_refusal(refused)}", refused.code) from None
    except (http.client.InvalidURL, UnicodeError):
        raise UnansweredError(no_address(url)) from None
    except msgspec.MsgspecError:
        raise UnansweredError(f"{place} answered something else than an earful does.") from None
    except (URLError, OSError, http.client.HTTPException):
        raise UnansweredError(f"Nothing answers at {place}; is the worker running?") from None


def _body(address: str, or_status: int | None) -> bytes:
    try:
        with opener().open(address, timeout=TIMEOUT_S) as answer:
            return bytes(answer.read(MOST_BYTES))
    except HTTPError as refused:
        if refused.code != or_status:
            raise
        with refused:  # It holds the connection open.
            return bytes(refused.read(MOST_BYTES))


def _refusal(refused: HTTPError) -> str:
    """What a worker answered instead, with its own sentence where it said one."""
    answered = printable(f"answered {refused.code} {refused.reason}".rstrip())
    try:
        with refused:  # It holds the connection open.
            said = msgspec.json.decode(refused.read(MOST_BYTES), type=_Refusal).error.message
    except (msgspec.MsgspecError, OSError, http.client.HTTPException):
        return f"{answered}."
    return f"{answered}: {printable(said)[:MOST_CHARACTERS]}"


def is_shedding(url: str) -> bool:
    """Whether the worker that answers sheds load; one that cannot be asked does not."""
    with suppress(UnansweredError):
        return ask(url, "/v1/health", _Health).worker.overload_level > 0
    return False
