"""The story of one session or upload: what each worker remembers, in order, and the sentence that says why it ended.

Pure. Made of the answers to `GET /v1/sessions/{id}/events`; guarantees to say where a part of it is not remembered.
Used by `why.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from earful.cli.advice import advice_for, advice_for_upload
from earful.cli.amounts import amounts, upload_amounts
from earful.cli.phrases import phrase, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PASSED_ON = frozenset({"superseded", "handed_over"})
"""Reasons of an end after which the session goes on."""
_ENDS = frozenset({"session ended", "upload ended"})
_LOG = (
    "The log tells more, under this id: `session ended` says why; where there is none the worker was killed or crashed,"
    " and the supervisor's `worker died` says how."
)


class Happening(msgspec.Struct, frozen=True):
    """An event, as a worker tells it."""

    unix_ms: int
    name: str
    fields: dict[str, Any] = {}


class Colleague(msgspec.Struct, frozen=True):
    """The other worker that has a session, or had it last: whether it lives, and where it can be asked."""

    id: str
    ops: str | None = None
    lives: bool = False


class Account(msgspec.Struct, frozen=True):
    """What one worker remembers of a session, oldest first."""

    session_id: str
    worker: str
    events: list[Happening]
    elsewhere: Colleague | None = None

    @property
    def end(self) -> Happening | None:
        """How it ended here; None where it has not. Something may have been told after the end."""
        for event in reversed(self.events):
            if event.name in _ENDS:
                return event
            if event.name == "session connected":
                return None
        return None


class Told(NamedTuple):
    """An event and the worker that remembers it; whether what was before it is not remembered."""

    event: Happening
    worker: str
    is_after_gap: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """All accounts of one session there are; `missing` are workers that have one and did not tell it."""

    accounts: Sequence[Account]
    missing: Sequence[Colleague] = field(default=())

    @property
    def kind(self) -> str:
        """`Session` or `Upload`."""
        is_upload = any(event.name.startswith("upload ") for account in self.accounts for event in account.events)
        return "Upload" if is_upload else "Session"

    def lines(self, zone: tzinfo = UTC) -> Iterator[str]:
        """A line an event: time of day, seconds since the first, the worker where there are several, what happened."""
        told = self._told()
        is_of_several = len({one.worker for one in told}) > 1
        for event, worker, is_after_gap in told:
            since_s = (event.unix_ms - told[0].event.unix_ms) / 1000
            at = datetime.fromtimestamp(event.unix_ms / 1000, zone).strftime("%H:%M:%S.%f")[:-3]
            where = f"  {printable(worker)[:8]:8}" if is_of_several else ""
            if is_after_gap:
                yield f"{'...':<25}{' ' * len(where)}  Of what was before, nothing is remembered: see below."
            yield f"{at}  {since_s:+9.3f} s{where}  {phrase(event.name, event.fields)}"

    def verdict(self) -> str:
        """Why it ended and what to do; or that it has not. And what is not remembered of it."""
        gap = next((one.event for one in self._told() if one.is_after_gap), None)
        return "\n".join([self._outcome(), *([] if gap is None else [_gap(gap)])])

    def _outcome(self) -> str:
        live = next((account for account in self.accounts if account.events and account.end is None), None)
        if live is not None:
            return f"It is live, at worker {printable(live.worker)}."
        ends = [end for account in self.accounts if (end := account.end) is not None]
        last = max(ends, key=lambda end: end.unix_ms, default=None)
        if self.missing and (last is None or last.fields.get("reason") in _PASSED_ON):
            return _untold(self.missing[0])
        return "Nothing is remembered of it any more." if last is None else _why(last)

    def _told(self) -> list[Told]:
        """All events in order."""
        told = [Told(event, account.worker) for account in self.accounts for event in account.events]
        told.sort(key=lambda one: one.event.unix_ms)
        gaps = set(_gaps([one.event for one in told]))
        return [one._replace(is_after_gap=index in gaps) for index, one in enumerate(told)]


def _gaps(events: Sequence[Happening]) -> Iterator[int]:
    """Where the session goes on from a place that nobody who told of it had come to."""
    connections, heard_ms = 0, -1
    for index, event in enumerate(events):
        if event.name == "session connected":
            connections += 1
        elif event.name == "session ended":
            connections -= 1
            heard_ms = max(heard_ms, _audio_ms(event))
        elif event.name == "session resumed":
            # One that has not ended yet may have come further than was told.
            if connections <= 1 and heard_ms < _audio_ms(event):
                yield index
            heard_ms = max(heard_ms, _audio_ms(event))


def _audio_ms(event: Happening) -> int:
    value = event.fields.get("audio_ms")
    return value if isinstance(value, int) else 0


def _gap(resumed: Happening) -> str:
    attempt, audio_ms = resumed.fields.get("attempt"), _audio_ms(resumed)
    until = f", up to {audio_ms} ms into the audio" if audio_ms else ""
    return printable(
        f"What is missing: what was before the client's try {attempt}{until}. The worker that had it has ended since,"
        f" and its memory with it, or was not asked. {_LOG}"
    )


def _why(end: Happening) -> str:
    if end.name == "upload ended":
        code = end.fields.get("code")
        sums, advice = upload_amounts(end.fields), advice_for_upload(None if code is None else str(code))
    else:
        code = end.fields.get("reason", "unknown")
        sums, advice = amounts(end.fields), advice_for(str(code))
    why = printable(str(end.fields.get("why") or f"It ended for the reason {code}."))
    return "\n".join(filter(None, (sums, f"Why it ended: {why}", f"What to do: {advice}")))


def _untold(worker: Colleague) -> str:
    name = printable(worker.id)
    if not worker.lives:
        return (
            f"Its worker {name} has ended since, and its memory with it: it was replaced or shut down (SIGHUP, drain),"
            f" or it was killed or crashed. {_LOG} A client that used start resumes at another worker by itself."
        )
    if worker.ops is not None:
        return f"Its worker {name} has the rest, and does not answer at {printable(worker.ops)}."
    return (
        f"Its worker {name} has the rest, and did not answer: it has no operations listener, and the system chooses"
        " which worker answers at the address they share. Ask again: one that was killed is noticed within seconds;"
        " --ops-port gives each an address of its own."
    )
