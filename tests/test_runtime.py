"""Python's own set-up in a server process."""

from __future__ import annotations

import gc

from tests.support.server import IS_INSTALLED

from earful.runtime import COLLECT_AT, is_compiled, settle_collector


def test_the_tree_is_not_compiled_and_the_wheel_is() -> None:
    """The server says which it runs."""
    assert IS_INSTALLED == is_compiled()


def test_the_collector_is_settled() -> None:
    """It looks less often, and never again at what is there now."""
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    try:
        settle_collector()
        assert COLLECT_AT == gc.get_threshold()
        assert frozen < gc.get_freeze_count()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
