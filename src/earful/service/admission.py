"""Who may come in: a doorkeeper's word, asked for before an upgrade is answered, within bounds.

Where there is no doorkeeper nobody is asked. `app.py` builds the one `Entrance` of a worker, both transports ask there.
"""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from earful.errors import EarfulError, ErrorCode
from earful.telemetry.cleaning import places_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from earful.telemetry.logs import Logger
    from earful.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Caller:
    """Who wants in, as the upgrade request has it; header names are in lower case."""

    path: str
    headers: Sequence[tuple[bytes, bytes]]
    query: Mapping[str, Sequence[str]]
    peer: str
    """The client's address, behind proxies that are trusted; empty where it is not known."""
    token: str = field(default="", repr=False)
    """What `start` brought, where the upgrade left it open who comes; that one was asked about before without it."""
    is_stream: bool = True
    """Whether it wants a WebSocket, whose `start` may bring a token yet; else it is a REST request."""


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """What all sessions of one tenant together may be; None is what the settings say, or no limit."""

    max_sessions: int | None = None
    max_new_sessions_per_s: float | None = None

    def over(self, others: TenantLimits) -> TenantLimits:
        """These, and of the `others` what these do not say."""
        most = others.max_sessions if self.max_sessions is None else self.max_sessions
        rate = others.max_new_sessions_per_s if self.max_new_sessions_per_s is None else self.max_new_sessions_per_s
        return TenantLimits(most, rate)


NO_LIMITS = TenantLimits()


@dataclass(frozen=True, slots=True)
class Admission:
    """As whom somebody was let in."""

    tenant: str = ""
    limits: TenantLimits = NO_LIMITS
    is_operator: bool = False
    """Whether it may see and end every tenant's sessions, and give orders to workers."""
    is_open: bool = False
    """Nobody knows yet: only `start`, with its token, will say."""


ANYBODY = Admission()
"""As whom everybody comes in where nobody is asked."""
UNDECIDED = Admission(is_open=True)
"""Of a WebSocket that brought nothing to tell it by; until its `start` does, nothing of it is heard."""


class Doorkeeper(Protocol):
    """Decides who may come in, and as whom. Shared by all callers of a worker, and called for many of them at once."""

    async def __call__(self, caller: Caller) -> Admission:
        """Let in; raises EarfulError for who may not come in, whose row is the answer.

        Cancelled where it takes longer than `handshake_timeout_s`, where the worker drains, and, on the fast
        transport, where the caller has gone. What else it raises is `internal` to the caller, and logged.
        """
        ...


@runtime_checkable
class QuickDoorkeeper(Protocol):
    """A `Doorkeeper` that may be able to decide at once, without a task of the event loop for each caller."""

    is_quick: bool
    """Whether it is."""

    def decide(self, caller: Caller) -> Admission:
        """As `__call__`, without waiting for anything."""
        ...

    def forget(self, caller: Caller) -> None:
        """It was only asked whether it would let in `caller`, who is yet to come: that counts for nothing."""
        ...


TRIED_FOR_S = 1.0
"""So long after a refusal others are expected."""


class Entrance:
    """Asks the doorkeeper; whatever that one does, each caller has an answer in time."""

    def __init__(
        self,
        doorkeeper: Doorkeeper,
        within_s: float,
        metrics: Metrics,
        log: Logger,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open; an answer takes `within_s` at most."""
        self._doorkeeper = doorkeeper
        is_quick = isinstance(doorkeeper, QuickDoorkeeper) and doorkeeper.is_quick
        self._quick: QuickDoorkeeper | None = cast("QuickDoorkeeper", doorkeeper) if is_quick else None
        self._clock = clock
        self._refused_at = -math.inf
        self.within_s = within_s
        self.on_close: set[Callable[[], None]] = set()
        """Called, once, when the worker drains: by whom it lets nobody in any more."""
        self._metrics = metrics
        self._log = log
        self._is_closed = False
        self._deadlines: set[asyncio.Timeout] = set()

    async def ask(self, caller: Caller) -> Admission:
        """As whom `caller` may come in.

        Raises EarfulError: what the doorkeeper says; `draining`; `overloaded` where it takes too long, and
        `internal` where it fails.
        """
        admission = self.ask_at_once(caller)
        if admission is not None:
            return admission
        try:
            return await self._ask(caller)
        except EarfulError as refused:
            self.count(refused)
            raise

    def ask_at_once(self, caller: Caller) -> Admission | None:
        """As `ask`, where the doorkeeper is a quick one; None where it is not."""
        try:
            return self._decide(caller)
        except EarfulError as refused:
            self.count(refused)
            if caller.is_stream and not caller.token:  # Others cannot be told before their request was read.
                self._refused_at = self._clock()
            raise

    def check(self, caller: Caller) -> Admission | None:
        """As `ask_at_once`, of one that is yet to come: before more is done for who would be refused all the same."""
        admission = self.ask_at_once(caller)
        if admission is not None and self._quick is not None:
            self._quick.forget(caller)
        return admission

    @property
    def is_tried(self) -> bool:
        """Whether an upgrade was refused at once a moment ago, so that it may pay to `check`."""
        return self._clock() - self._refused_at < TRIED_FOR_S

    def count(self, refused: EarfulError) -> None:
        """Somebody was not let in, for a reason that nobody had to be asked for."""
        self._metrics.refused(refused.code)

    def close(self) -> None:
        """Refuse those who wait, and those who still come: the worker drains."""
        self._is_closed = True
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(now)
        for tell in tuple(self.on_close):
            tell()

    def _decide(self, caller: Caller) -> Admission | None:
        if self._is_closed:
            raise EarfulError(ErrorCode.DRAINING)
        if self._quick is None:
            return None
        try:
            return self._quick.decide(caller)
        except EarfulError:
            raise
        except Exception as fault:  # noqa: BLE001 - of somebody else's code
            raise self._failed(fault) from None

    async def _ask(self, caller: Caller) -> Admission:
        deadline = asyncio.timeout(self.within_s)
        try:
            async with deadline:
                self._deadlines.add(deadline)
                return await self._doorkeeper(caller)
        except EarfulError:
            raise
        except (Exception, asyncio.CancelledError) as fault:
            if deadline.expired():
                raise self._late() from None
            if _is_cancelled():
                raise
            raise self._failed(fault) from None
        finally:
            self._deadlines.discard(deadline)

    def _failed(self, fault: BaseException) -> EarfulError:
        self._log.error("doorkeeper failed", error=type(fault).__name__, traceback=places_of(fault))
        return EarfulError(ErrorCode.INTERNAL)

    def _late(self) -> EarfulError:
        if self._is_closed:
            return EarfulError(ErrorCode.DRAINING)
        self._log.warning("doorkeeper took too long", within_s=self.within_s)
        return EarfulError(ErrorCode.OVERLOADED, "It could not be decided in time whether to let you in; try again.")


def _is_cancelled() -> bool:
    """Whether somebody wants this task to end; what the doorkeeper waits for may be cancelled as well."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
