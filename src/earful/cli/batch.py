"""`earful transcribe` for several recordings, for captions, uploads and files: each recording a transcript.

Guarantees that one that fails costs no other and keeps what was heard of it, that several outlast a server that is
full, that output is in their order, and at most `jobs` are under way or waiting to be told. Called by `commands`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import PurePath
from random import Random
from typing import TYPE_CHECKING

from earful.cli.bars import Bars
from earful.cli.live import stream
from earful.cli.microphone import MICROPHONE
from earful.cli.part import FileError, growing
from earful.cli.recording import STDIN, ReadError, open_recording
from earful.cli.refusals import Refusals
from earful.cli.sheet import sheet
from earful.cli.sources import Source, SourceError, check_stems, find_sources
from earful.cli.transcribe import INTERRUPTED, complain, let_go_of_output, unheard, unreadable
from earful.cli.uploading import upload
from earful.client import ClientError
from earful.errors import EarfulError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from rich.progress import TaskID

    from earful.cli.live import Manner
    from earful.cli.recording import Recording
    from earful.cli.sheet import Form

USAGE = 2
_SPOKEN = Source(MICROPHONE, PurePath(MICROPHONE))


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted: a form, streamed in a manner or uploaded, to stdout or as files in a folder."""

    manner: Manner
    form: Form = "text"
    uploads: bool = False
    folder: Path | None = None
    overwrites: bool = False
    jobs: int = 4

    @property
    def suffix(self) -> str:
        """Of a transcript's file."""
        return {"text": ".txt", "json": ".json" if self.uploads else ".jsonl"}.get(self.form, f".{self.form}")


def transcribe_all(
    names: Sequence[str], order: Order, microphone: AbstractContextManager[Recording] | None = None
) -> int:
    """Transcribe what the names lead to, or what a microphone hears.

    0 where all of it was, 1 where something was not, 2 where nothing was begun.
    """
    try:
        sources = [_SPOKEN] if microphone else find_sources(names)
        _check(sources, order)
    except SourceError as error:
        complain(str(error))
        return USAGE
    live = MICROPHONE if microphone else STDIN
    is_to_be_read = STDIN in names and not order.uploads
    try:
        # Standard input may be long in coming: it is waited for here, where Ctrl-C still ends everything.
        with microphone or (open_recording(STDIN) if is_to_be_read else nullcontext()) as recording:
            return _carry_out(sources, order, {} if recording is None else {live: recording})
    except (ReadError, EarfulError) as error:
        return complain(unreadable(live, error))
    except KeyboardInterrupt:
        return INTERRUPTED


def _carry_out(sources: Sequence[Source], order: Order, opened: Mapping[str, Recording]) -> int:
    """Transcribe the sources, some of which are open already; the exit code."""
    try:
        with Bars(len(sources)) as bars:
            failed = asyncio.run(_Batch(sources, order, opened, bars).run())
    except BrokenPipeError:
        return let_go_of_output()
    except OSError as error:
        return complain(f"The transcript cannot be shown: {error.strerror or error}.")
    if failed and len(sources) > 1:
        complain(f"{failed} of {len(sources)} recordings could not be transcribed.")
    return 1 if failed else 0


def _check(sources: Sequence[Source], order: Order) -> None:
    if order.folder is not None:
        check_stems(sources)
    elif len(sources) > 1 and order.form != "text":
        raise SourceError(f"Several transcripts as {order.form} need --output: in one stream nobody could part them.")


class _Batch:
    """All of them."""

    def __init__(self, sources: Sequence[Source], order: Order, opened: Mapping[str, Recording], bars: Bars) -> None:
        self._sources = sources
        self._order = order
        self._opened = opened
        self._bars = bars
        self._refusals = Refusals(Random().random)  # noqa: S311 - spreads tries, keeps no secret

    async def run(self) -> int:
        """Transcribe; how many failed."""
        failed = 0
        window: deque[asyncio.Task[str | None]] = deque()
        try:
            for source in self._sources:
                if len(window) == self._order.jobs:
                    failed += _tell(await window.popleft())
                window.append(asyncio.create_task(self._transcript(source)))
            while window:
                failed += _tell(await window.popleft())
        finally:
            for task in window:
                task.cancel()
            if window:
                await asyncio.wait(window)
        return failed

    async def _transcript(self, source: Source) -> str | None:
        """What is left to be printed of a recording; None where it failed, which is said."""
        bar = self._bars.begin(source.name)
        folder = self._order.folder
        try:
            return await (self._printed(source, bar) if folder is None else self._saved(folder, source, bar))
        except (ReadError, EarfulError) as error:
            self._bars.say(_with_notes(f"earful: {unreadable(source.name, error)}", error))
        except ClientError as error:
            self._say_of(source, _with_notes(unheard(error, self._order.manner.headers), error))
        except FileError as error:
            self._say_of(source, _with_notes(str(error), error))
        except asyncio.CancelledError as error:
            for note in _notes(error):
                self._say_of(source, note)
            raise
        finally:
            self._bars.end(bar)
        return None

    async def _printed(self, source: Source, bar: TaskID) -> str:
        if len(self._sources) == 1:
            await self._hear(source, bar, _print)
            return ""
        written: list[str] = []
        await self._hear(source, bar, written.append)
        return "".join((f"==> {source.name} <==\n", *written, "\n"))

    async def _saved(self, folder: Path, source: Source, bar: TaskID) -> str:
        path = folder / source.stem.with_name(source.stem.name + self._order.suffix)
        with growing(path, overwrites=self._order.overwrites) as write:
            await self._hear(source, bar, write)
        self._bars.say(f"{source.name} -> {path}")
        return ""

    async def _hear(self, source: Source, bar: TaskID, write: Callable[[str], object]) -> None:
        """Write the transcript of a recording, as it comes."""

        async def attempt() -> None:
            await (self._upload(source, write) if self._order.uploads else self._stream(source, bar, write))

        # For one alone somebody waits, and what is no file is heard only once: they are told at once.
        if len(self._sources) == 1 or source.name == STDIN:
            await attempt()
        else:
            await self._refusals.outlast(attempt, lambda sentence: self._say_of(source, sentence))

    async def _upload(self, source: Source, write: Callable[[str], object]) -> None:
        manner = self._order.manner
        write(await upload(source.name, manner.urls[0], self._order.form, manner.headers))

    async def _stream(self, source: Source, bar: TaskID, write: Callable[[str], object]) -> None:
        opened = self._opened.get(source.name)
        with open_recording(source.name) if opened is None else nullcontext(opened) as recording:
            moved = self._bars.mover(bar, recording.duration_ms)
            with sheet(self._order.form, write, moved) as screen:
                await stream(recording, screen, self._order.manner, lambda sentence: self._say_of(source, sentence))

    def _say_of(self, source: Source, sentence: str) -> None:
        self._bars.say(f"earful: {source.name}: {sentence}")


def _with_notes(sentence: str, error: BaseException) -> str:
    """What is wrong, and what was noted on the way."""
    return " ".join((sentence, *_notes(error)))


def _notes(error: BaseException) -> list[str]:
    return getattr(error, "__notes__", [])


def _tell(transcript: str | None) -> int:
    """Print one, where that is still to be done; 1 where there is none."""
    _print(transcript or "")
    return int(transcript is None)


def _print(text: str) -> None:
    print(text, end="", flush=True)
