"""The page on observability: each event, field and reason is on it, and each that is on it there is."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import ROOT, tables

from earful.service.reasons import FAULTLESS, FAULTS
from earful.session.numbers import Numbers

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "observability.md"
TELLING = {"tell", "tell_often", "_tell"}
LOGGING = {"debug", "info", "warning", "error", "exception"}
FORMAT = {"encoding", "sample_rate", "channels"}
WHENCE = {"peer", "request_id", "trace_id"}
SPREAD = {
    "session connected": {"tenant"},
    "session started": FORMAT,
    "session resumed": FORMAT | {"drawn_id"},
    "session ended": {figure.name for figure in fields(Numbers)},
    "error told": {"sequence", "expected", "untold"},
    "session refused": {*WHENCE, "untold"},
    "upload refused": {*WHENCE, "untold"},
    "access refused": {*WHENCE, "untold"},
    "upload ended": {"audio_ms", "speech_ms", "finals", "model_s"},
}
"""Fields that the code does not name where it tells of the event."""


@cache
def calls() -> tuple[ast.Call, ...]:
    """Every call of a method in the source."""
    found = (
        node
        for path in (ROOT / "src" / "earful").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
    )
    return tuple(node for node in found if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))


def phrases(call: ast.Call) -> Iterator[str]:
    """The fixed phrases among a call's arguments; a choice between two has both."""
    for argument in call.args:
        for node in (argument.body, argument.orelse) if isinstance(argument, ast.IfExp) else (argument,):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value:
                yield node.value


def told() -> dict[str, set[str]]:
    """The events of sessions and uploads, and the fields that the code names with each."""
    events: dict[str, set[str]] = defaultdict(set)
    for call in calls():
        if isinstance(call.func, ast.Attribute) and call.func.attr in TELLING:
            for phrase in phrases(call):
                events[phrase] |= {word.arg for word in call.keywords if word.arg} - {"level"}
    return events


def logged() -> set[str]:
    """The events of servers: what is logged and belongs to no session."""
    return {
        phrase
        for call in calls()
        if isinstance(call.func, ast.Attribute) and call.func.attr in LOGGING and _is_log(call.func.value)
        for phrase in phrases(call)
    }


def _is_log(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in {"log", "_log", "bound"}


def code_spans(cell: str) -> set[str]:
    """The names in a cell."""
    return set(cell.split("`")[1::2])


EVENTS = {row[0].strip("`"): row for row in tables(PAGE, "event", "level", "when", "fields")}


def test_each_event_of_a_session_is_on_the_page() -> None:
    """And no other."""
    assert told().keys() == EVENTS.keys()


@pytest.mark.parametrize("event", sorted(EVENTS.keys() - {"session ended"}))
def test_its_fields_are_those_it_has(event: str) -> None:
    """Named in the code where it is told; a value that a field may have is no field."""
    named = code_spans(EVENTS[event][3]) - {"model", "rate limit", "start"}
    assert told()[event] | SPREAD.get(event, set()) == named


def test_the_end_has_its_own_table() -> None:
    """Field by field, in the code's order or another."""
    named = {row[0].strip("`") for row in tables(PAGE, "field", "what")} - {
        "session",
        "worker",
        "request_id",
        "trace_id",
    }
    assert told()["session ended"] | SPREAD["session ended"] == named


def test_each_reason_is_on_the_page() -> None:
    """With its sentence, and whether it counts as failed."""
    rows = [[row[0].strip("`"), *row[1:]] for row in tables(PAGE, "reason", "failed", "why")]
    assert [
        *([reason, "no", why] for reason, why in FAULTLESS.items()),
        *([reason, "yes", why] for reason, why in FAULTS.items()),
    ] == rows


def test_each_event_of_a_server_is_on_the_page() -> None:
    """What a helper is given to log with has its phrases where it is called."""
    rows = {row[0].strip("`") for row in tables(PAGE, "event", "level", "when")}
    assert logged() - {"final"} == rows - {"opening failed", "exchange failed", "log lines left out"}
