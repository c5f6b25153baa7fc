"""What is told to the directory and heard from it. Pure values; `directory.py` says what becomes of them.

Those that lie in a shared store (`Entry`, `Card`, `Peer`, `Notice`) are arrays there: fields are only ever appended
to them, with a default, so that a release before and one after read each other (`records.py`).
"""

from __future__ import annotations

from enum import Enum

from msgspec import Struct


class Verdict(Enum):
    """What a claim was answered with."""

    GRANTED = "granted"
    """The session is this worker's now."""
    SUPERSEDED = "superseded"
    """An attempt as large, or larger, is noted; nothing changed."""
    ENDED = "ended"
    """The session was ended from outside (`DELETE`); nothing changed."""


class Claim(Struct, frozen=True):
    """A start (`attempt` 0) or a resume (1 to 2^53-1) that a worker wants to serve, or to end for good.

    `expires_s` is how long the note stays when nobody notes the session again: as long as a client may go on
    trying, and longer than the caller takes to report each live session once (`Report.sessions`). The note of an
    end: as long as a cursor of the session may be valid.
    """

    session_id: str
    tenant: str
    attempt: int
    expires_s: float


class Entry(Struct, frozen=True, array_like=True):
    """A live session as its worker reports it; `detail` is the caller's own, for whoever lists or inspects."""

    session_id: str
    tenant: str
    attempt: int
    began_unix_s: float
    detail: bytes = b""


class Card(Struct, frozen=True, array_like=True):
    """What a worker says of itself: its slot, the root of its operations listener (or empty), and since when it is."""

    slot: int = 0
    ops: str = ""
    version: str = ""
    began_unix_s: float = 0.0


class Report(Struct, frozen=True):
    """What a worker tells once a second.

    `sessions` are those begun or changed since the last exchange that went well, and a rotating slice of the
    others; `ended` the ids of those that are gone, `passed` of those that were gone before any report.
    `tenants` counts the live sessions of each tenant, all of them, and their sum is the worker's. `numbers` are its
    counters and gauges, `histograms` opaque. `served` is a count since the worker's start that is remembered when it
    has gone. `expires_s` is as in `Claim`, for the notes of `sessions`. One that `is_pressed` takes nobody new.
    """

    sessions: tuple[Entry, ...] = ()
    ended: tuple[str, ...] = ()
    tenants: dict[str, int] = {}
    numbers: dict[str, float] = {}
    histograms: bytes = b""
    expires_s: float = 300.0
    card: Card = Card()
    served: int = 0
    passed: tuple[str, ...] = ()
    is_pressed: bool = False


class Draw(Struct, frozen=True):
    """Sessions of a tenant, a `number` of them, that a worker has let begin, and the rate, above 0, that holds."""

    tenant: str
    rate_per_s: float
    number: int


class Notice(Struct, frozen=True, array_like=True):
    """A word to a worker about a session it has, or had: attempts up to `lost_attempt` have lost it to another.

    Its connection is then to be closed with 4010, unless its attempt is larger: then it is newer than the notice.
    None says that the session was ended from outside.
    """

    session_id: str
    lost_attempt: int | None = None


class News(Struct, frozen=True):
    """What a worker is told once a second.

    The same notice may come twice. `sessions` and `tenants` count over all live workers (`tenants` for those that
    were reported), and `pressed` of the `workers` take nobody new. `forgot` says that the store did not know this
    worker: this was its first exchange, or its lease had passed, or the store was emptied. All its sessions are then
    to be reported again, in slices.
    """

    notices: tuple[Notice, ...]
    sessions: int
    workers: int
    tenants: dict[str, int]
    forgot: bool
    pressed: int = 0


class Peer(Struct, frozen=True, array_like=True):
    """A live worker, as it last reported itself."""

    worker: str
    sessions: int
    numbers: dict[str, float] = {}
    histograms: bytes = b""
    card: Card = Card()


class Overview(Struct, frozen=True):
    """All live workers, in no particular order, and what those that are gone had `served` as each last said."""

    workers: tuple[Peer, ...]
    served_before: int = 0


class Ended(Struct, frozen=True):
    """A session that was noted when it was ended, and its owner.

    It `is_live` where the owner's last report has it, or none could have it yet. Else it had ended before, or waits
    for its client to resume it.
    """

    owner: str
    is_live: bool


class Listed(Struct, frozen=True):
    """A session in a listing, and the worker that reported it."""

    entry: Entry
    worker: str


def lost(entry: Entry, verdict: Verdict) -> Notice:
    """What a worker is told of a session that it reported and that is not its own, by this verdict."""
    return Notice(entry.session_id, entry.attempt if verdict is Verdict.SUPERSEDED else None)


def keep_newer(found: dict[str, Listed], listed: Listed) -> None:
    """Add a session to those found, by id; where two workers report it, the larger attempt stays."""
    rival = found.get(listed.entry.session_id)
    if rival is None or rival.entry.attempt < listed.entry.attempt:
        found[listed.entry.session_id] = listed
