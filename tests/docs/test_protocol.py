"""The protocol page says what the code says: tables, examples, fields, the picture of the states."""

from __future__ import annotations

import re
from typing import get_args

import msgspec
import pytest
from scripts.draw_states import redrawn
from tests.docs.pages import PROTOCOL, blocks, tables

from earful.errors import ERRORS, CloseCode, ErrorCode
from earful.protocol.codec import decode
from earful.protocol.cursor import Cursor
from earful.protocol.messages import (
    AudioChunk,
    EncodedChunk,
    Error,
    Final,
    Limits,
    Partial,
    Reason,
    ServerMessage,
    Start,
    Started,
)

REST_ONLY = {
    ErrorCode.NOT_AUDIO,
    ErrorCode.NOT_FOUND,
    ErrorCode.TOO_LARGE,
    ErrorCode.NO_DECODER,
    ErrorCode.BAD_REQUEST,
}
MISTAKES = tables(PROTOCOL, "code", "counted", "text")
OURS = tables(PROTOCOL, "code", "retryable", "text")
FATAL = tables(PROTOCOL, "code", "close", "retryable", "text")
REST = tables(PROTOCOL, "code", "HTTP", "text")


def code_of(cell: str) -> ErrorCode:
    """The code that a cell names."""
    return ErrorCode(cell.strip("`"))


def yes(value: bool) -> str:  # noqa: FBT001 - a word for it
    """A truth as the tables write it."""
    return "yes" if value else "no"


def test_mistakes_are_those_of_the_table() -> None:
    """Whether a mistake counts, and what is said of it."""
    expected = [[f"`{code}`", yes(ERRORS[code].counted), ERRORS[code].text] for code in map(code_of, first(MISTAKES))]

    assert expected == MISTAKES


def test_every_counted_code_is_a_mistake() -> None:
    """No code counts in silence."""
    assert {code for code, row in ERRORS.items() if row.counted} <= set(map(code_of, first(MISTAKES)))


def test_the_servers_own_are_those_of_the_table() -> None:
    """Whether trying again helps, and what is said of it."""
    expected = [[f"`{code}`", yes(ERRORS[code].retryable), ERRORS[code].text] for code in map(code_of, first(OURS))]

    assert expected == OURS


def test_fatal_errors_are_those_of_the_table() -> None:
    """The close code, whether trying again helps, and what is said of it."""
    rows = [(code, ERRORS[code]) for code in map(code_of, first(FATAL))]
    expected = [[f"`{code}`", str(row.close_code.value), yes(row.retryable), row.text] for code, row in rows]

    assert expected == FATAL


def test_http_errors_are_those_of_the_table() -> None:
    """The status, and what is said of it, in the order of the status."""
    rows = sorted(((code, ERRORS[code]) for code in map(code_of, first(REST))), key=lambda row: row[1].http_status)

    assert [[f"`{code}`", str(row.http_status), row.text] for code, row in rows] == REST


def test_every_code_is_in_a_table() -> None:
    """The codes of a live session are in the first three, those of REST alone in the last."""
    live = {code_of(row[0]) for row in (*MISTAKES, *OURS, *FATAL)}

    assert (set(ErrorCode) - REST_ONLY, set()) == (live, REST_ONLY - set(map(code_of, first(REST))))


def test_close_codes_are_those_of_the_code() -> None:
    """Every close code and its name; 1006 is never on the wire and stands in the text."""
    rows = tables(PROTOCOL, "code", "name", "when", "what the client does")
    known = sorted((code for code in CloseCode if code != 1006), key=int)

    assert [[str(code.value), f"`{code.name}`"] for code in known] == [row[:2] for row in rows]


def test_reserved_close_codes_are_not_in_use() -> None:
    """What the page calls reserved no live session's error closes with, and nothing else is called so."""
    rows = tables(PROTOCOL, "code", "name", "when", "what the client does")
    reserved = {CloseCode(int(row[0])) for row in rows if row[2] == "reserved"}

    assert set() == reserved & {ERRORS[code_of(row[0])].close_code for row in FATAL}


def test_the_picture_is_current() -> None:
    """It is what scripts/draw_states.py draws."""
    page = PROTOCOL.read_text("utf-8")

    assert redrawn(page) == page


def test_a_page_without_markers_is_refused() -> None:
    """Nothing is drawn where there is no place for it."""
    with pytest.raises(ValueError, match="states: begin"):
        redrawn("# A page\n")


@pytest.mark.parametrize("line", "".join(blocks(PROTOCOL, "json client")).splitlines())
def test_what_a_client_says_is_understood(line: str) -> None:
    """The examples of the client's messages are messages."""
    assert msgspec.json.decode(line)["type"] == tag_of(type(decode(line)))


@pytest.mark.parametrize("line", "".join(blocks(PROTOCOL, "json server")).splitlines())
def test_what_the_server_says_is_what_it_would_say(line: str) -> None:
    """The examples of the server's messages have exactly the fields that the code writes."""
    message = msgspec.json.decode(line, type=ServerMessage)

    assert msgspec.to_builtins(message) == msgspec.json.decode(line)


@pytest.mark.parametrize("kind", [Partial, Final, Error])
def test_every_field_is_explained(kind: type[msgspec.Struct]) -> None:
    """The fields of the three plain messages are in the table of fields, on the right message."""
    rows = tables(PROTOCOL, "field", "on", "meaning")
    explained = {name for row in rows if tag_of(kind) in row[1] for name in re.findall(r"`(\w+)`", row[0])}

    assert set(kind.__struct_fields__) == explained


def test_every_reason_is_explained() -> None:
    """Why an utterance can end."""
    (reasons,) = (row[2] for row in tables(PROTOCOL, "field", "on", "meaning") if row[0] == "`reason`")

    assert set(get_args(Reason)) <= set(re.findall(r"`(\w+)`", reasons))


def test_start_is_explained() -> None:
    """Its fields and their defaults."""
    rows = {row[0].strip("`"): row[1].strip("`") for row in tables(PROTOCOL, "field", "default", "meaning")}
    new = Cursor("", 0)  # What a session is that says nothing of itself.
    assert set(Start.__struct_fields__) == rows.keys()
    for name, told in rows.items():
        default = getattr(new, name, None) if hasattr(new, name) else getattr(Start(), name)
        assert {None: "none", False: "false"}.get(default, str(default)) == told


def test_every_limit_is_shown() -> None:
    """The example of `started` has them all."""
    (started,) = (
        line for block in blocks(PROTOCOL, "json server") for line in block.splitlines() if '"started"' in line
    )

    assert set(Limits.__struct_fields__) == set(msgspec.json.decode(started)["limits"])
    assert tag_of(Started) == msgspec.json.decode(started)["type"]


def first(rows: list[list[str]]) -> list[str]:
    """The first column."""
    return [row[0] for row in rows]


def tag_of(kind: type[msgspec.Struct]) -> str:
    """A message's name on the wire."""
    return str((EncodedChunk if kind is AudioChunk else kind).__struct_config__.tag)
