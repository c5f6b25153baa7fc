"""How a process ended, in words."""

from __future__ import annotations

import pytest

from earful.exit_status import in_words


@pytest.mark.parametrize(
    ("code", "expected"), [(0, "exit code 0"), (3, "exit code 3"), (-11, "SIGSEGV"), (-40, "signal 40")]
)
def test_it_is_an_exit_code_or_a_signal(code: int, expected: str) -> None:
    """One that has no name is a number."""
    assert expected == in_words(code)
