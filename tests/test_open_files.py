"""What the limit of open files is for."""

from __future__ import annotations

import pytest

from earful.open_files import LEAST_SILENT, MOST_SILENT, SPARE_FILES, most_silent, needed_files, seats, shortage
from earful.settings import Settings
from earful.transport.ops_server import MOST_SILENT_OPS

SMALL = Settings(max_sessions=50, resume_reserve=10, max_uploads=2, redis_max_connections=16)
NEEDED = 50 + 5 + 2 * 2 + 16 + SPARE_FILES + 2 * LEAST_SILENT


def test_the_reserve_counts() -> None:
    """Rounded up, as the server does."""
    assert 111 == seats(Settings(max_sessions=101, resume_reserve=9))


def test_a_full_worker_needs_files_for_all_it_lets_in() -> None:
    """Sessions and those that resume, uploads with a file each, the store's connections, and who is still silent."""
    assert NEEDED == needed_files(SMALL)


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        (NEEDED + 1000, LEAST_SILENT + 500),
        (NEEDED + 100_000, MOST_SILENT),
        (NEEDED, LEAST_SILENT),
        (NEEDED - 1, NEEDED // 4),
        (100, 25),
    ],
)
def test_silent_connections_have_half_of_the_rest(limit: int, most: int) -> None:
    """Up to a bound; some also where nothing is left, or nobody could ask anything."""
    assert most == most_silent(SMALL, limit)


@pytest.mark.parametrize(("limit", "told"), [(NEEDED, None), (NEEDED - 1, {"files": NEEDED - 1, "needed": NEEDED})])
def test_a_limit_that_is_too_low_is_told(limit: int, told: dict[str, int] | None) -> None:
    """With what it should be."""
    assert told == shortage(SMALL, limit)


def test_those_of_operations_are_spare() -> None:
    """Beside what a process has open anyway."""
    assert SPARE_FILES // 2 >= 2 * MOST_SILENT_OPS
