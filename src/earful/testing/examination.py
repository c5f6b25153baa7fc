"""A model examined in a process of its own: what it does to that process is a finding, not the end of the report.

`examine` is for whoever wants to know. Started as `-m earful.testing.examination` this is the process: it reads a
request and writes a report, in msgpack; what the model prints meanwhile goes to standard error.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from earful.engine.model_process import environment
from earful.exit_status import in_words
from earful.leave import leave
from earful.models.loading import ModelLoadError, load_model
from earful.models.types import MODEL_RATE_HZ
from earful.testing.contract import SPEECH_S, Verdict, judge
from earful.testing.measuring import Figures, measure

if TYPE_CHECKING:
    from collections.abc import Callable

WITHIN_S: Final = 1800.0
"""For all of it, the load too."""
HELD_S: Final = 120.0
"""For which a model may hold the event loop; then its process is ended, which writes where it stands."""
_BEAT_S: Final = 1.0
_STDOUT, _STDERR = 1, 2


class Request(Struct, frozen=True):
    """Which model, and some seconds of speech (16 kHz mono s16le)."""

    model: str
    options: dict[str, Any]
    audio: bytes
    held_s: float = HELD_S


class Report(Struct, frozen=True):
    """What was found; nothing where the model could not be loaded: `unfit` is then the sentence that says why."""

    verdicts: list[Verdict] = []
    figures: Figures | None = None
    unfit: str = ""


class EndedError(Exception):
    """The model ended its process, or was ended with it; the text is a sentence that says how."""


def examine(
    model: str, options: dict[str, Any], audio: bytes, *, held_s: float = HELD_S, within_s: float = WITHIN_S
) -> tuple[list[Verdict], Figures]:
    """Try each promise of `model`, and measure it. Raises ModelLoadError, and EndedError where its process ended."""
    try:
        process = subprocess.run(
            [sys.executable, "-P", "-m", "earful.testing.examination"],
            input=msgspec.msgpack.encode(Request(model, options, audio, held_s)),
            stdout=subprocess.PIPE,
            env=environment(),
            timeout=within_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EndedError(f'The model "{model}" was not through after {within_s:.0f} s.') from error
    if not process.stdout:
        how = in_words(process.returncode)
        raise EndedError(f'The model "{model}" ended the process in which it was tried: {how}.')
    report = msgspec.msgpack.decode(process.stdout, type=Report)
    if report.figures is None:
        raise ModelLoadError(report.unfit)
    return report.verdicts, report.figures


async def _report(request: Request) -> Report:
    beating = asyncio.create_task(_beat(request.held_s))
    try:
        model = load_model(request.model, request.options)
        figures = await measure(model, request.audio)  # First, for it loads the model.
        verdicts = await judge(model, request.audio[: SPEECH_S * MODEL_RATE_HZ * 2])
    except ModelLoadError as error:
        return Report(unfit=str(error))
    finally:
        beating.cancel()
        faulthandler.cancel_dump_traceback_later()
    return Report(verdicts, figures)


async def _beat(held_s: float) -> None:
    """Put off the end, which comes from a thread that needs no lock of the interpreter."""
    while True:
        faulthandler.dump_traceback_later(held_s, exit=True)
        await asyncio.sleep(_BEAT_S)


def main(take: Callable[[], bytes], give: Callable[[bytes], object]) -> None:
    """Be the process."""
    faulthandler.enable()
    request = msgspec.msgpack.decode(take(), type=Request)
    give(msgspec.msgpack.encode(asyncio.run(_report(request))))


if __name__ == "__main__":
    with os.fdopen(os.dup(_STDOUT), "wb") as line:
        os.dup2(_STDERR, _STDOUT)
        main(sys.stdin.buffer.read, line.write)
    leave(0)  # A thread of the model's must not keep it alive.
