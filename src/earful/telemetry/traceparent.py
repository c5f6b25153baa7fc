"""The trace that a request belongs to: W3C Trace Context's `traceparent`, and trace ids of our own. Pure.

Guarantees that what is malformed is None, as if it had not been sent: a caller's mistake costs no session. The
transports read with it; the log and the traces name sessions by its ids.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACE_ID_BYTES = 16
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_FIRST_VERSION, _NO_VERSION = "00", "ff"
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """The caller's span: 32 and 16 lower-case hex digits, neither all zeros; `sampled` where it records the trace."""

    trace_id: str
    span_id: str
    sampled: bool


def parse_traceparent(text: str) -> TraceParent | None:
    """What a `traceparent` says, by W3C Trace Context, section 3.2; None where it says nothing valid.

    Versions to come may add fields behind those of the first, which alone are read.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    is_version = version != _NO_VERSION and (version != _FIRST_VERSION or more is None)
    if not is_version or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceParent(trace_id, span_id, sampled=bool(int(flags, 16) & _SAMPLED))


def traceparent_of(values: Sequence[str]) -> TraceParent | None:
    """The same of a header's values in a request: there must be exactly one."""
    return parse_traceparent(values[0].strip()) if len(values) == 1 else None


def trace_id_of(session_id: str) -> str:
    """The trace id of a session whose client brought none: on every worker that goes on with it the same."""
    return hashlib.sha256(session_id.encode()).hexdigest()[: 2 * TRACE_ID_BYTES]
