"""What a worker's limit of open files is for: what it needs, and what silent connections may have of the rest. Pure.

Guarantees that however many connect and say nothing, what the worker needs is there. Used by `server.py`, and by
`earful doctor`, which says whether the limit is high enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from earful.settings import Settings

SPARE_FILES = 64
"""Listeners, the log, the event loop, libraries; and silent connections of the operations listener."""
MOST_SILENT = 2048
"""Silent connections that a worker keeps, however many files it may open. At the 2,000 a second at which a flood is
taken each has a second to say what it wants."""
LEAST_SILENT = 256
"""What is needed for them in any case: of fewer, clients who connect together would make way for each other before
their first word is there. Where the limit is too low for that too, they have a quarter of it."""


def seats(settings: Settings) -> int:
    """Sessions a worker may hold, those of the reserve too."""
    return settings.max_sessions + settings.reserved_seats


def needed_files(settings: Settings) -> int:
    """What a worker may have open at once that is full."""
    # An upload has a connection and perhaps a file; for each that is silent one may be just answered, or closed.
    return seats(settings) + 2 * settings.max_uploads + settings.redis_max_connections + SPARE_FILES + 2 * LEAST_SILENT


def most_silent(settings: Settings, limit: int) -> int:
    """Silent connections that a worker may have, of `limit` files: half of what nothing else needs.

    The other half is for those who are just being answered, or closed.
    """
    spare = (limit - needed_files(settings)) // 2
    return min(LEAST_SILENT + spare, MOST_SILENT) if spare >= 0 else min(LEAST_SILENT, limit // 4)


def shortage(settings: Settings, limit: int) -> dict[str, int] | None:
    """What the log is to say where the limit is too low; None where it is high enough."""
    needed = needed_files(settings)
    return {"files": limit, "needed": needed} if limit < needed else None
