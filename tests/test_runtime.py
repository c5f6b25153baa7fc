"""The set-up of a server process."""

from __future__ import annotations

import gc
import resource
from pathlib import Path

import pytest
from tests.support.server import IS_INSTALLED

from earful.runtime import COLLECT_ALL_AT, COLLECT_AT, is_compiled, make_room_for_files, settle_collector


def test_the_tree_is_not_compiled_and_the_wheel_is() -> None:
    """The server says which it runs."""
    assert IS_INSTALLED == is_compiled()


@pytest.mark.parametrize("transport", ["fast", "asgi"])
def test_the_collector_is_settled(transport: str) -> None:
    """It looks less often, and never again at what is there now."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        settle_collector(transport)
        assert (*COLLECT_AT, COLLECT_ALL_AT[transport]) == gc.get_threshold()
        assert frozen < gc.get_freeze_count()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def test_there_is_room_for_files_before_they_are_opened() -> None:
    """The limit is the hard one, and said, and the kernel's table has a place for each session."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))
    try:
        assert hard == make_room_for_files(3000)
        assert (hard, hard) == resource.getrlimit(resource.RLIMIT_NOFILE)
        status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        assert min(3000, hard) <= int(status["FDSize"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_sessions_than_files_are_no_fault() -> None:
    """Then there is room for as many as there may be."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    try:
        assert limits[1] == make_room_for_files(limits[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
