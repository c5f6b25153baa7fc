"""What a look brought to light: one sentence, how bad it is, and what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Grade(StrEnum):
    """How bad it is; only the last keeps a service from keeping its promises."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """About one thing; `advice` is empty where nothing needs doing."""

    about: str
    grade: Grade
    what: str
    advice: str = ""


def ok(about: str, what: str) -> Finding:
    """As it should be."""
    return Finding(about, Grade.OK, what)


def warn(about: str, what: str, advice: str) -> Finding:
    """It works, until something else happens."""
    return Finding(about, Grade.WARN, what, advice)


def fail(about: str, what: str, advice: str) -> Finding:
    """It does not, or will not under load."""
    return Finding(about, Grade.FAIL, what, advice)
