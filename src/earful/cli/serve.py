"""`earful serve`: read the settings and run the server until it is told to stop.

Guarantees that a start that cannot succeed ends with one sentence on stderr and exit code 2.
Called by `__main__`; loads nothing that the server itself does not need.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from earful.cli.flags import load_settings, settings_parser
from earful.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

CANNOT_START = 2


def serve(arguments: Sequence[str]) -> int:
    """Run the server with these flags over the environment; the exit code."""
    try:
        _, settings = load_settings(settings_parser("serve", "Run the server."), arguments, os.environ)
    except SettingsError as error:
        return _refuse(str(error))
    return _run(settings)


def _run(settings: Settings) -> int:
    # The collector finds nothing among modules being loaded; looking costs a twentieth of the start.
    gc.disable()
    try:
        from earful.listening import CannotListen
        from earful.models.loading import ModelLoadError
        from earful.supervisor.supervisor import CannotStart

        if settings.workers == 1:
            from earful.server import run
        else:
            from earful.worker import run
    finally:
        gc.enable()
    try:
        return run(settings)
    except (ModelLoadError, SettingsError, CannotListen, CannotStart) as error:
        return _refuse(str(error))


def _refuse(sentence: str) -> int:
    print(f"earful: {sentence}", file=sys.stderr)
    return CANNOT_START
