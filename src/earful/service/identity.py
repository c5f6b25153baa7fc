"""Which worker this is, of those that one `earful serve` runs side by side.

Made where the worker process begins; health tells it, and whatever must tell workers apart uses `id`.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field

from earful import __version__
from earful.store.values import Card


@dataclass(frozen=True, slots=True)
class Identity:
    """A worker's slot, from 0, among `workers`; and an id that no other process has, nor its successor in the slot."""

    slot: int = 0
    workers: int = 1
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    ops: str = ""
    """The root of its operations listener, as others may ask there; empty where it has none."""
    began_unix_s: float = field(default_factory=lambda: round(time.time(), 3))

    @property
    def is_alone(self) -> bool:
        """Whether what it knows of sessions is all there is to know."""
        return self.workers == 1

    @property
    def card(self) -> Card:
        """What it says of itself to the others."""
        return Card(self.slot, self.ops, __version__, self.began_unix_s)
