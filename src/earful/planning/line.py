"""A line through points by ascending place: which of them count at a place, and the value there. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


def about(at: float, line: Sequence[tuple[float, T]]) -> list[tuple[float, T]]:
    """What of a line by ascending place counts at a place: what is there, or its two neighbours.

    Before the first it is that one; beyond the last the last two.
    """
    at = max(at, line[0][0])
    after = next((nth for nth, (place, _) in enumerate(line) if place >= at), len(line) - 1)
    return [line[after]] if line[after][0] == at else list(line[max(after - 1, 0) : after + 1])


def along(at: float, line: Sequence[tuple[float, float]]) -> float:
    """The value at a place of a line through points by ascending place.

    Before its first point it is as there; beyond its last it goes on where it was rising. So larger chunks and less
    speech than were measured are taken to cost as much as those that were, and what is more never to cost less.
    """
    near = about(at, line)
    if len(near) == 1:
        return near[0][1]
    (left, low), (right, high) = near
    value = low + (high - low) * (at - left) / (right - left)
    return value if at <= right else max(value, high)
