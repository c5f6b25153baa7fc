"""The level: changed while the server runs, for our own lines and for foreign ones."""

from __future__ import annotations

import json
import logging
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from earful.telemetry.log_level import BLABBERS, CARRIERS, LEVELS, LogLevel, level_of
from earful.telemetry.logs import open_log

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.telemetry.log_level import Level

CHANGES: tuple[Level, ...] = ("info", "info", "debug", "error")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Give the standard library its own logging back."""
    root = logging.getLogger()
    before = {name: logging.getLogger(name).level for name in CARRIERS + BLABBERS}
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, number in before.items():
        logging.getLogger(name).setLevel(number)


def test_it_admits_its_own_level_and_what_is_above() -> None:
    """Each of the four."""
    admitted = [[one for one in LEVELS if LogLevel(level).admits(one)] for level in LEVELS]
    assert [list(LEVELS[nth:]) for nth in range(4)] == admitted


@pytest.mark.parametrize(
    ("number", "level"),
    [(0, "debug"), (10, "debug"), (19, "debug"), (20, "info"), (30, "warning"), (40, "error"), (50, "error")],
)
def test_a_number_has_the_level_below_it(number: int, level: str) -> None:
    """Or the least, or the highest, of ours."""
    assert level == level_of(number)


def test_a_change_holds_at_once_for_both_kinds_of_logger() -> None:
    """Down, and up again; it says what it was."""
    stream = StringIO()
    log = open_log(stream=stream)
    ours, foreign = log.debug, logging.getLogger("somebody.else")
    for old, level in pairwise(CHANGES):
        assert old == log.level.set(level)
        assert level == log.level.get()
        ours("ours", level_is=level)
        foreign.debug("foreign at %s", level)
        foreign.error("foreign error at %s", level)
    assert [
        "foreign error at info",
        "ours",
        "foreign at debug",
        "foreign error at debug",
        "foreign error at error",
    ] == [json.loads(line)["event"] for line in stream.getvalue().splitlines()]


def test_libraries_that_see_the_wire_stay_silent_about_it() -> None:
    """Whatever the level is; their warnings are heard, but of one that quotes what was sent."""
    stream = StringIO()
    open_log("debug", stream=stream)
    for name in CARRIERS:
        logging.getLogger(f"{name}.part").debug("> Authorization: Bearer x")
        logging.getLogger(f"{name}.part").warning("odd")
    for name in BLABBERS:
        logging.getLogger(f"{name}.part").warning("Expected boundary character 45, found 27")
    assert ["odd"] * len(CARRIERS) == [json.loads(line)["event"] for line in stream.getvalue().splitlines()]
