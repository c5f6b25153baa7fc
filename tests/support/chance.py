"""A loop whose every turn is a choice made by a seed: of all callbacks that are ready any may run next.

Guarantees that one seed gives one schedule, on virtual time, and that `Chance.digest` names it by the choices
made. What code may rely on is the order that its own queues keep, not that in which callbacks were scheduled.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, TypeVar

from tests.support.clock import JumpingLoop, run_on
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

T = TypeVar("T")


class Chance:
    """The choices of one schedule."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._random = random.Random(seed)  # noqa: S311 - chooses what happens
        self._choices = bytearray()

    @property
    def digest(self) -> bytes:
        """Equal for schedules that are the same."""
        return blake2b(self._choices, digest_size=16).digest()

    def below(self, options: int) -> int:
        """One of 0 to `options` - 1."""
        if options < 2:
            return 0
        choice = int(self._random.random() * options)
        self._choices.append(choice & 255)
        return choice

    def happens(self, share: float) -> bool:
        """Whether what happens in this share of all cases happens now."""
        return self.below(1000) < share * 1000

    def up_to_s(self, longest_s: float) -> float:
        """A time, in one of a hundred steps; often none at all."""
        return 0.0 if self.below(2) else self.below(100) * longest_s / 100

    def pick(self, options: Sequence[T]) -> T:
        """One of these."""
        return options[self.below(len(options))]


class _Ready(deque[asyncio.Handle]):
    """Callbacks that are ready, taken in any order."""

    def __init__(self, chance: Chance) -> None:
        super().__init__()
        self._chance = chance

    @override
    def popleft(self) -> asyncio.Handle:
        nth = self._chance.below(len(self))
        self.rotate(-nth)
        handle = super().popleft()
        self.rotate(nth)
        return handle


class SeededLoop(JumpingLoop):
    """A jumping loop that asks `chance` what to do next."""

    def __init__(self, chance: Chance, limit_s: float) -> None:
        super().__init__(limit_s)
        self._ready: deque[asyncio.Handle] = _Ready(chance)


def run_seeded(main: Coroutine[Any, Any, T], chance: Chance, *, limit_s: float = 600.0) -> T:
    """Run `main` by these choices; see `run_virtual` for what fails it."""
    random.seed(chance.seed)  # Servers draw from it: in which order a drain tells its sessions.
    return run_on(SeededLoop(chance, limit_s), main)
