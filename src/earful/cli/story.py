"""The story of one session: what each worker remembers of it, in order, and the sentence that says why it ended.

Pure. Made of the answers to `GET /v1/sessions/{id}/events`. Used by `why.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING, Any

import msgspec

from earful.cli.advice import advice_for
from earful.cli.phrases import amounts, name_of, phrase, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PASSED_ON = frozenset({"superseded", "handed_over"})
"""Reasons of an end after which the session goes on."""


class Happening(msgspec.Struct, frozen=True):
    """An event, as a worker tells it."""

    unix_ms: int
    name: str
    fields: dict[str, Any] = {}


class Colleague(msgspec.Struct, frozen=True):
    """The other worker that has a session, or had it last; without `ops` it has ended, or cannot be asked."""

    id: str
    ops: str | None = None


class Account(msgspec.Struct, frozen=True):
    """What one worker remembers of a session, oldest first."""

    session_id: str
    worker: str
    events: list[Happening]
    elsewhere: Colleague | None = None

    @property
    def end(self) -> Happening | None:
        """How it ended here; None where it has not."""
        last = self.events[-1] if self.events else None
        return last if last is not None and name_of(last.name) == "ended" else None


@dataclass(frozen=True, slots=True)
class Story:
    """All accounts of one session there are; `missing` are workers that have one and could not be asked."""

    accounts: Sequence[Account]
    missing: Sequence[Colleague] = field(default=())

    def lines(self, zone: tzinfo = UTC) -> Iterator[str]:
        """A line an event: time of day, seconds since the first, the worker where there are several, what happened."""
        told = sorted(
            ((event, account.worker) for account in self.accounts for event in account.events),
            key=lambda one: one[0].unix_ms,
        )
        is_of_several = len({worker for _, worker in told}) > 1
        for event, worker in told:
            since_s = (event.unix_ms - told[0][0].unix_ms) / 1000
            at = datetime.fromtimestamp(event.unix_ms / 1000, zone).strftime("%H:%M:%S.%f")[:-3]
            where = f"  {printable(worker)[:8]}" if is_of_several else ""
            yield f"{at}  {since_s:+9.3f} s{where}  {phrase(event.name, event.fields)}"

    def verdict(self) -> str:
        """Why it ended and what to do; or that it has not."""
        for account in self.accounts:
            if account.events and account.end is None:
                return f"It is live, at worker {printable(account.worker)}."
        ends = [end for account in self.accounts if (end := account.end) is not None]
        last = max(ends, key=lambda end: end.unix_ms, default=None)
        if self.missing and (last is None or last.fields.get("reason") in _PASSED_ON):
            return _gone(self.missing[0])
        return "Nothing is remembered of it." if last is None else _why(last)


def _why(end: Happening) -> str:
    reason = str(end.fields.get("reason", "unknown"))
    why = printable(str(end.fields.get("why") or f"It ended for the reason {reason}."))
    return "\n".join(filter(None, (amounts(end.fields), f"Why it ended: {why}", f"What to do: {advice_for(reason)}")))


def _gone(worker: Colleague) -> str:
    if worker.ops is not None:
        return f"Its worker {printable(worker.id)} has the rest, and does not answer at {printable(worker.ops)}."
    return (
        f"Its worker {printable(worker.id)} is gone, or has no operations listener: where it was killed or crashed its"
        " memory went with it. A client that used start resumes at another worker by itself; the supervisor's log says"
        " `worker died` with the cause, and the next worker of the slot is there already."
    )
