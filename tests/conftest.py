"""What holds for every test: hypothesis without a clock, since pytest's own timeout bounds a test, and one earful.

No test leaves a signal handled otherwise than before: the processes that later ones start would inherit it.
Processes that tests start import the same earful as the tests do: the tree, or what is installed.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from tests.support.server import PATHS

if TYPE_CHECKING:
    from collections.abc import Iterator

# A shell's background job ignores Ctrl-C, and whatever it starts inherits that; what is tested here must not.
signal.signal(signal.SIGINT, signal.default_int_handler)
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
# Not relative to where somebody stands: tests stand elsewhere.
_GIVEN = [str(Path(path).resolve()) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
os.environ["PYTHONPATH"] = os.pathsep.join([*PATHS, *_GIVEN])


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Fail whoever leaves one otherwise, and put it right for those after it."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    yield
    changed = {number: before[number] for number in _ENDING if signal.getsignal(number) != before[number]}
    for number, handler in changed.items():
        signal.signal(number, handler)
    assert {} == changed
