"""What a setting accepts, in words: for the help of its flag, and for whoever set it to something else.

Called by `settings.py` and the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args, get_origin

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails


def allowed_values(field: FieldInfo) -> str:
    """What a setting accepts, as words: `a whole number from 1 to 9`."""
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        *first, last = (str(choice) for choice in get_args(annotation))
        return f"{', '.join(first)} or {last}" if first else last
    kinds: dict[object, str] = {
        bool: "true or false",
        int: "a whole number",
        int | None: "a whole number",
        float: "a number",
        str: "text that is not empty",
        str | None: "text that is not empty",
        SecretStr: "text",
    }
    return f"{kinds.get(annotation, 'a JSON object')} {_bounds(field)}".rstrip()


def is_private(field: FieldInfo) -> bool:
    """Whether a value must not be told, whole: it is a secret, or a model's options, which may have one."""
    return field.annotation is SecretStr or get_origin(field.annotation) is dict


def _bounds(field: FieldInfo) -> str:
    """A number's bounds as words; empty where it has none."""
    low = next((f"from {item.ge}" for item in field.metadata if hasattr(item, "ge")), "")
    above = next((f"above {item.gt}," for item in field.metadata if hasattr(item, "gt")), "")
    high = next((f"to {item.le}" for item in field.metadata if hasattr(item, "le")), "")
    return f"{low or above} {'up ' if above else ''}{high}".strip()


def complaint(
    error: ErrorDetails, given: Mapping[str, object], sources: Mapping[str, str], known: Mapping[str, FieldInfo]
) -> str:
    """One of pydantic's complaints as a sentence: which setting, from where, what is allowed."""
    if not error["loc"]:
        reason = str(error["ctx"]["error"])
        return f"The settings do not fit together: {reason}{_named_in(reason, sources)}."
    name = str(error["loc"][0])
    value = "set" if is_private(known[name]) else repr(given[name])
    return f"{name} is {value} ({sources[name]}); it must be {allowed_values(known[name])}."


def _named_in(sentence: str, sources: Mapping[str, str]) -> str:
    """Where those settings come from that a sentence names and somebody set."""
    named = [source for name, source in sources.items() if name in sentence.split()]
    return f" ({' and '.join(named)})" if named else ""
