"""A model's runtime, imported when the model is loaded and not before: runtimes are large, and most are not there."""

from __future__ import annotations

import importlib
from typing import Any


class RuntimeMissingError(Exception):
    """A runtime is not installed; the text is one sentence that says how it comes."""


def runtime(module: str, *, extra: str) -> Any:
    """Import `module`, which `earful[extra]` installs; raises RuntimeMissingError where it is not there."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise RuntimeMissingError(
            f'its runtime is not installed: pip install "earful[{extra}]" ({error.name} is missing)'
        ) from error
