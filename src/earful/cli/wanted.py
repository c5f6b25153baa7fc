"""What a command line of `earful transcribe` wants, and who does it.

Guarantees a sentence for flags that do not go together, before anything is opened. Called by `commands`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from earful.cli.live import Manner
from earful.cli.microphone import MICROPHONE, open_microphone

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from earful.cli.recording import Recording
    from earful.cli.sheet import Form


class WantedError(Exception):
    """Flags that do not go together; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The flags, and whether the output is a `terminal`, which may be rewritten."""

    names: tuple[str, ...]
    urls: tuple[str, ...]
    fast: bool = False
    as_json: bool = False
    as_srt: bool = False
    as_vtt: bool = False
    plain: bool = False
    uploads: bool = False
    output: str | None = None
    force: bool = False
    jobs: int = 4
    mic: bool = False
    device: str | None = None
    token_file: str | None = None
    terminal: bool = False

    @property
    def forms(self) -> list[Form]:
        """Those asked for besides text."""
        asked: list[tuple[Form, bool]] = [("json", self.as_json), ("srt", self.as_srt), ("vtt", self.as_vtt)]
        return [form for form, is_asked in asked if is_asked]

    @property
    def form(self) -> Form:
        """The one form."""
        return self.forms[0] if self.forms else "text"

    @property
    def is_shown_live(self) -> bool:
        """Whether it is one recording, shown as it is heard: with a bar and partials, or message by message."""
        is_one = self.mic or (len(self.names) == 1 and not Path(self.names[0]).is_dir())
        return is_one and self.form in {"text", "json"} and self.output is None and not self.uploads


def listen(wanted: Wanted) -> int:
    """Do what is wanted; the exit code. Raises WantedError."""
    for is_wrong, sentence in _conflicts(wanted):
        if is_wrong:
            raise WantedError(sentence)
    if wanted.is_shown_live:
        return _show_live(wanted)
    return _write(wanted)


def _headers(wanted: Wanted) -> dict[str, str]:
    """Those that say who one is. Raises WantedError."""
    if wanted.token_file is None:
        return {}
    try:
        token = Path(wanted.token_file).read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in ASCII"
        raise WantedError(f"{wanted.token_file} cannot be read: {reason}.") from None
    if not token or not token.isprintable():
        raise WantedError(f"{wanted.token_file} has no line with a token, or more than one.")
    return {"authorization": f"Bearer {token}"}


def _conflicts(wanted: Wanted) -> list[tuple[bool, str]]:
    return [
        (not wanted.names and not wanted.mic, "Name a recording, a folder, - for standard input, or --mic."),
        (bool(wanted.names) and wanted.mic, "--mic takes no recordings."),
        (len(wanted.forms) > 1, f"Only one of {' and '.join(f'--{form}' for form in wanted.forms)} is possible."),
        (wanted.uploads and wanted.mic, "--mic is streamed; it cannot be uploaded."),
        (wanted.uploads and wanted.plain, "--plain is a way of streaming, --upload is none."),
        (len(wanted.urls) > 1 and (wanted.uploads or wanted.plain), "--upload and --plain take one --url."),
        (wanted.device is not None and not wanted.mic, "--device is for --mic."),
        (wanted.force and wanted.output is None, "--force is for --output."),
    ]


def _show_live(wanted: Wanted) -> int:
    from earful.cli.transcribe import transcribe

    return transcribe(
        wanted.names[0] if wanted.names else f"the {MICROPHONE}",
        wanted.urls,
        fast=wanted.fast or wanted.mic,  # It is as fast as one speaks.
        as_json=wanted.form == "json",
        terminal=wanted.terminal,
        plain=wanted.plain,
        headers=_headers(wanted),
        microphone=_microphone(wanted),
    )


def _write(wanted: Wanted) -> int:
    from earful.cli.batch import Order, transcribe_all

    manner = Manner(
        wanted.urls,
        fast=wanted.fast or wanted.mic,
        plain=wanted.plain,
        words=wanted.form in {"srt", "vtt"},
        by_hand=wanted.mic,
        headers=_headers(wanted),
    )
    folder = None if wanted.output is None else Path(wanted.output)
    order = Order(manner, wanted.form, wanted.uploads, folder, wanted.force, wanted.jobs)
    return transcribe_all(wanted.names, order, _microphone(wanted))


def _microphone(wanted: Wanted) -> AbstractContextManager[Recording] | None:
    if not wanted.mic:
        return None
    from earful.cli.devices import device_named

    return open_microphone(device_named(wanted.device))
