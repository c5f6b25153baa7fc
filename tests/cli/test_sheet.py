"""Sheets: what a transcript looks like in each form, piece by piece."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from earful.cli.sheet import sheet
from earful.client import ClientError

if TYPE_CHECKING:
    from earful.cli.sheet import Form

PARTIAL = {"type": "partial", "text": "he"}
FINAL = {"type": "final", "text": "hello there", "start_ms": 0, "end_ms": 200}
TIMED = {
    **FINAL,
    "words": [
        {"word": "hello", "start_ms": 10, "end_ms": 80, "confidence": 1.0},
        {"word": "there", "start_ms": 90, "end_ms": 150, "confidence": 1.0},
    ],
}
LAST = {"type": "final", "text": "", "start_ms": 200, "end_ms": 200, "last": True}


def shown(form: Form, *messages: dict[str, Any]) -> str:
    """The whole transcript."""
    written: list[str] = []
    with sheet(form, written.append, lambda _: None) as page:
        for message in messages:
            page.show(message, json.dumps(message))
    return "".join(written)


@pytest.mark.parametrize(
    ("form", "final", "expected"),
    [
        ("text", FINAL, "[0:00.0 \N{EN DASH} 0:00.2] hello there\n"),
        ("srt", FINAL, "1\n00:00:00,000 --> 00:00:00,200\nhello there\n\n"),
        ("srt", TIMED, "1\n00:00:00,010 --> 00:00:00,150\nhello there\n\n"),
        ("vtt", FINAL, "WEBVTT\n\n1\n00:00:00.000 --> 00:00:00.200\nhello there\n\n"),
    ],
)
def test_finals_with_text_are_written(form: Form, final: dict[str, Any], expected: str) -> None:
    """And nothing else."""
    assert expected == shown(form, PARTIAL, final, LAST)


def test_captions_of_silence_are_a_file_all_the_same() -> None:
    """Of which nothing is written where it failed."""
    assert "WEBVTT\n\n" == shown("vtt", LAST)
    written: list[str] = []
    with pytest.raises(KeyError), sheet("vtt", written.append, lambda _: None):
        raise KeyError
    assert [] == written


def test_as_json_every_message_is() -> None:
    """One a line."""
    assert [PARTIAL, FINAL, LAST] == [json.loads(line) for line in shown("json", PARTIAL, FINAL, LAST).splitlines()]


def test_captions_need_times() -> None:
    """Which a server of the plain protocol need not tell."""
    with pytest.raises(ClientError, match="tells no times"):
        shown("srt", {"type": "final", "text": "hello"})


def test_progress_is_passed_on() -> None:
    """In ms."""
    moved: list[float] = []
    with sheet("text", print, moved.append) as page:
        page.progress(100.0)
    assert [100.0] == moved
