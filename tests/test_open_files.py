"""What the limit of open files is for."""

from __future__ import annotations

import pytest

from earful.open_files import LEAST_SILENT, MOST_SILENT, SPARE_FILES, most_silent, needed_files, seats
from earful.settings import Settings
from earful.transport.ops_server import MOST_SILENT_OPS

SMALL = Settings(max_sessions=50, resume_reserve=10, max_uploads=2, redis_max_connections=16)
NEEDED = 50 + 5 + 2 * 2 + 16 + SPARE_FILES


def test_the_reserve_counts() -> None:
    """Rounded up, as the server does."""
    assert 111 == seats(Settings(max_sessions=101, resume_reserve=9))


def test_a_full_worker_needs_files_for_all_it_lets_in() -> None:
    """Sessions and those that resume, uploads with a file each, the store's connections."""
    assert NEEDED == needed_files(SMALL)


@pytest.mark.parametrize(
    ("limit", "most"),
    [
        (NEEDED + 1000, 500),
        (NEEDED + 100_000, MOST_SILENT),
        (NEEDED, LEAST_SILENT),
        (10, LEAST_SILENT),
    ],
)
def test_silent_connections_have_half_of_the_rest(limit: int, most: int) -> None:
    """Up to a bound; a few also where nothing is left, or nobody could ask anything."""
    assert most == most_silent(SMALL, limit)


def test_the_least_is_spare() -> None:
    """At both listeners, beside what a process has open anyway."""
    assert SPARE_FILES // 2 >= LEAST_SILENT + MOST_SILENT_OPS
