"""Which of the works that are ready go into the next batch. Pure: no event loop, no clock.

Guarantees the order of arrival and that whoever is oldest is never passed over, so nobody starves.
`batches.py` asks whenever a place of the model may be free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections import deque


class Ready(Protocol):
    """What a choice depends on."""

    @property
    def alone(self) -> bool:
        """It must have a batch to itself."""


R = TypeVar("R", bound=Ready)


def take_batch(ready: deque[R], free: int | None, max_batch: int | None) -> list[R]:
    """Take the next batch out of `ready`, oldest first: at most `max_batch`, nothing where no place is `free`.

    None is no limit, for both. What must be alone is passed over until it is the
    oldest, and is then the batch: passing it over costs one batch more, cutting there would cost two.
    """
    batch: list[R] = []
    if free is not None and free <= 0:
        return batch
    room = len(ready) if max_batch is None else max_batch
    passed: list[R] = []
    while ready and len(batch) < room:
        work = ready.popleft()
        if not work.alone:
            batch.append(work)
        elif batch:
            passed.append(work)
        else:
            return [work]
    ready.extendleft(reversed(passed))
    return batch
