"""What becomes of an event's values before they are a line."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.telemetry.cleaning import (
    LONGEST,
    LONGEST_TRACEBACK,
    bounded,
    clean,
    escape,
    escaped,
    masked,
    places_of,
    told,
)

SECRET = "s3cr3t-that-nobody-may-see"  # noqa: S105 - to be looked for where it must not be


@pytest.mark.parametrize(
    "text",
    [
        f"GET /v1/transcribe/stream?token={SECRET}&resume=1",
        f"access_token={SECRET}",
        f"Authorization: Bearer {SECRET}",
        f"['authorization', 'Bearer {SECRET}']",
        f"bearer {SECRET}",
        f'{{"token": "{SECRET}"}}',
        f"'cookie': '{SECRET}'",
        f"redis://user:{SECRET}@store:6379/0",
        f"redis://:{SECRET}@store",
        f"API_KEY={SECRET}",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    """By their names, by the schemes of HTTP, and in addresses; what stands around them stays."""
    assert SECRET not in masked(text)
    assert "***" in masked(text)


@pytest.mark.parametrize("text", ["session ended", "The client's cursor was not ours", "redis://store:6379/0", "a=b"])
def test_what_is_no_secret_stays(text: str) -> None:
    """Word for word."""
    assert text == masked(text)


def test_numbers_stay_numbers() -> None:
    """Alone or as a list; a list of anything else, or a very long one, becomes text."""
    event = {"port": 1, "ports": [1, 2], "names": ["a"], "many": [1] * 1000, "text": "3"}
    cleaned = clean({**event})
    assert (1, [1, 2], "['a']", "3") == tuple(cleaned[name] for name in ("port", "ports", "names", "text"))
    assert isinstance(cleaned["many"], str)


def test_long_values_are_cut() -> None:
    """And say so; tracebacks may be longer."""
    event = clean({"event": "odd", "value": "x" * 10_000, "traceback": "y" * 10_000})
    assert LONGEST + len("... (9488 more)") == len(event["value"])
    assert LONGEST_TRACEBACK < len(event["traceback"]) < 10_000
    assert "short" == bounded("short", 5)


def test_numbers_stay_and_all_else_becomes_text() -> None:
    """Nothing is rendered by anybody else."""
    event: dict[str, Any] = {"count": 1, "share": 0.5, "is_on": True, "nothing": None, "kinds": {"a": ["b" * 1000]}}
    cleaned = clean(dict(event))
    assert (1, 0.5, True, None) == tuple(cleaned[name] for name in ("count", "share", "is_on", "nothing"))
    assert cleaned["kinds"].startswith("{'a': ['bbb")
    assert len(cleaned["kinds"]) < LONGEST + 20


@given(st.text())
def test_what_a_terminal_is_given_is_printable_ascii(text: str) -> None:
    """No line break, no escape, nothing that looks like something else."""
    shown = escape({"value": text})["value"]
    assert shown.isascii()
    assert shown.isprintable()


def test_a_traceback_keeps_its_lines() -> None:
    """Each escaped; a value that is none does not."""
    event = escape({"exception": "one\n\x1b[31mtwo", "value": "one\ntwo", "count": 1})
    assert {"exception": "one\n\\x1b[31mtwo", "value": "one\\ntwo", "count": 1} == event
    assert "plain" == escaped("plain")


def fail(then: BaseException, *, has_cause: bool, is_hidden: bool) -> None:
    """Raise a ValueError with words, and `then` over it."""
    try:
        int(SECRET)
    except ValueError as first:
        then.__cause__ = first if has_cause else None
        then.__suppress_context__ = is_hidden
        raise then  # noqa: B904 - the cause is set, or left out, above


def caught(then: BaseException, *, has_cause: bool = False, is_hidden: bool = False) -> str:
    """What is told of it."""
    with pytest.raises(type(then)) as raised:
        fail(then, has_cause=has_cause, is_hidden=is_hidden)
    assert "test_cleaning.py" in places_of(raised.value)
    return told((raised.type, raised.value, raised.tb))


def test_an_exception_is_told_without_its_words() -> None:
    """But for the system's own; what it follows from is told too."""
    text = caught(FileNotFoundError(2, "No such file", SECRET), has_cause=True)
    assert SECRET not in text
    assert text.index("FileNotFoundError: No such file") < text.index("ValueError")
    assert 2 == text.count("Traceback")


@pytest.mark.parametrize("is_hidden", [True, False])
def test_a_context_that_is_hidden_stays_so(is_hidden: bool) -> None:  # noqa: FBT001 - a parameter
    """As Python itself has it; one that is not is told."""
    assert is_hidden == (1 == caught(KeyError(), is_hidden=is_hidden).count("Traceback"))


def test_a_chain_has_an_end() -> None:
    """However long it is."""
    fault: Exception | None = None
    for number in range(20):
        link = ValueError(number)
        link.__cause__ = fault
        fault = link
    assert 5 == told((ValueError, fault, None)).count("Traceback")
