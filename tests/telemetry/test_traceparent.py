"""`traceparent`: what is valid is read, what is not is as good as absent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.telemetry.traceparent import (
    TraceParent,
    parse_traceparent,
    trace_id_of,
    traceparent_of,
)

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"
hexadecimal = st.text("0123456789abcdef")


@pytest.mark.parametrize(
    ("text", "sampled"),
    [
        (VALID, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-02", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"00-{TRACE}-{SPAN}-ff", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-will-be", True),
        (f"01-{TRACE}-{SPAN}-00-", False),
    ],
)
def test_a_valid_one_is_read(text: str, *, sampled: bool) -> None:
    """Of flags only the lowest bit counts; later versions may be longer."""
    assert TraceParent(TRACE, SPAN, sampled) == parse_traceparent(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-01-",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01x",
        f"ff-{TRACE}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"0-{TRACE}-{SPAN}-01",
        f"000-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN.upper()}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}0-01",
        f"00_{TRACE}_{SPAN}_01",
        f"0x-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE[:-1]}g-{SPAN}-01",
        f"00-{TRACE[:-1]}\u0661-{SPAN}-01",
        f" {VALID}",
        "00" * 5000,
    ],
)
def test_a_malformed_one_is_none(text: str) -> None:
    """Whatever is wrong with it."""
    assert parse_traceparent(text) is None


@given(st.text() | st.builds("-".join, st.lists(hexadecimal, max_size=6)))
def test_any_text_gives_ids_of_the_right_form_or_none(text: str) -> None:
    """Nothing raises, and nothing unfit comes out."""
    read = parse_traceparent(text)
    assert read is None or text[3:52] == f"{read.trace_id}-{read.span_id}"


@pytest.mark.parametrize(
    ("values", "is_read"), [([VALID], True), ([f" {VALID}\t"], True), ([], False), ([VALID, VALID], False)]
)
def test_a_request_has_one_or_none(values: list[str], *, is_read: bool) -> None:
    """Two of them are no valid one, even where they agree."""
    assert is_read == (traceparent_of(values) is not None)


@given(st.text())
def test_a_session_has_one_trace_id_everywhere(session_id: str) -> None:
    """It depends on nothing but the session's id."""
    assert trace_id_of(session_id) == trace_id_of(session_id)
    assert parse_traceparent(f"00-{trace_id_of(session_id)}-{SPAN}-01") is not None
