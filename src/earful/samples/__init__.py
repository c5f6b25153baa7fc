"""The sample recording: six sentences by espeak-ng, 16 kHz mono; `speech.json` has their words and times."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable


def sample(name: str = "speech.wav") -> Traversable:
    """One of the files shipped here: `speech.wav`, `speech.txt` or `speech.json`."""
    return files(__name__) / name
