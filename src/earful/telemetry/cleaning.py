"""Makes an event's values fit for a line: short, without what could break or paint it, and without secrets.

The log's last steps before a line is rendered; every value passes, wherever it came from. It is the second guard:
the first is that no token, text or header is given to the log at all.
"""

from __future__ import annotations

import re
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from types import TracebackType

LONGEST = 512
"""Characters of a value."""
LONGEST_TRACEBACK = 8192
_BLOCKS = frozenset({"exception", "traceback"})
"""Values of several lines."""
_DEEPEST = 5
_NUMBER = int | float | None
_NAMED = re.compile(
    r"(?i)\b(\w*(?:token|secret|password|api_?key|authorization|cookie|cursor))(\W{1,4})(?:(?:bearer|basic)\s+)?[\w.~+/=-]{6,}"
)
_SCHEMES = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}")
_ADDRESS = re.compile(r"://[^/\s@]+@")


def clean(event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Each text bounded and without what looks like a secret; what is neither text nor numbers becomes text."""
    for name, value in event.items():
        if not isinstance(value, _NUMBER) and not _is_numbers(value):
            event[name] = masked(bounded(str(value), LONGEST_TRACEBACK if name in _BLOCKS else LONGEST))
    return event


def _is_numbers(value: object) -> bool:
    """Whether it is a list of nothing else, and not longer than a text might be."""
    return isinstance(value, list) and len(value) <= LONGEST and all(isinstance(one, _NUMBER) for one in value)


def escape(event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """For a terminal: nothing but printable ASCII, so that no value moves the cursor or looks like another."""
    for name, value in event.items():
        if isinstance(value, str):
            lines = value.splitlines() if name in _BLOCKS else [value]
            event[name] = "\n".join(map(escaped, lines))
    return event


def bounded(text: str, longest: int) -> str:
    """The text, or its beginning and how much is missing."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text) - longest} more)"


def masked(text: str) -> str:
    """The text with `***` in place of credentials: by their names, by their schemes, and in addresses."""
    text = _ADDRESS.sub("://***@", text)
    text = _NAMED.sub(r"\1\2***", text)
    return _SCHEMES.sub(r"\1 ***", text)


def escaped(text: str) -> str:
    """The text with everything but printable ASCII as Python would write it."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        one if one.isascii() and one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def places_of(fault: BaseException) -> str:
    """Where an exception was raised, without its words, which may be what somebody said."""
    return "".join(traceback.format_tb(fault.__traceback__))


def told(caught: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]) -> str:
    """An exception and those behind it as a traceback, each with its type and, of the system's own, its words."""
    told_of: list[str] = []
    fault = caught[1]
    while fault is not None and len(told_of) < _DEEPEST:
        words = f": {fault.strerror}" if isinstance(fault, OSError) and fault.strerror else ""
        told_of.append(f"Traceback (most recent call last):\n{places_of(fault)}{type(fault).__qualname__}{words}")
        fault = fault.__cause__ or (None if fault.__suppress_context__ else fault.__context__)
    return "\n\nafter\n\n".join(told_of)
