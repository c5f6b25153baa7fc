"""Screens: what each shows of the same messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from earful.cli.screens import JsonLines, Screen, Terminal, TextLines, line_of

PARTIAL = {"type": "partial", "text": "Hello [b]wor"}
FINAL = {"type": "final", "text": "Hello [b]world", "start_ms": 150, "end_ms": 63_170}
LAST = {"type": "final", "text": "", "last": True, "start_ms": 9000, "end_ms": 9000}
ERROR = {"type": "error", "message": "No.", "code": "bad_json"}


def shown(screen: Screen, capsys: pytest.CaptureFixture[str]) -> str:
    """What a screen shows of a conversation."""
    messages: tuple[dict[str, Any], ...] = (PARTIAL, FINAL, LAST, ERROR)
    with screen:
        screen.progress(100.0)
        for message in messages:
            screen.show(message, json.dumps(message))
    return capsys.readouterr().out


def test_machines_get_every_message(capsys: pytest.CaptureFixture[str]) -> None:
    """As it came, one a line."""
    lines = shown(JsonLines(), capsys).splitlines()
    assert [PARTIAL, FINAL, LAST, ERROR] == [json.loads(line) for line in lines]


def test_a_pipe_gets_finals_with_text(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that would have to be rewritten."""
    assert "[0:00.2 \N{EN DASH} 1:03.2] Hello [b]world\n" == shown(TextLines(), capsys)


@pytest.mark.parametrize("duration_ms", [None, 1000.0])
def test_a_terminal_gets_finals_and_a_bar(duration_ms: float | None, capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets in speech are no markup."""
    assert "[0:00.2 \N{EN DASH} 1:03.2] Hello [b]world\n" in shown(Terminal(duration_ms), capsys)


def test_a_final_without_times_is_its_text() -> None:
    """The plain protocol promises no more."""
    assert "Hello" == line_of({"type": "final", "text": "Hello"})
