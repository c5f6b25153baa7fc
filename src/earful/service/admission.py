"""Who may come in: a doorkeeper's word, asked for before an upgrade is answered, within bounds.

Where there is no doorkeeper nobody is asked. `app.py` builds the one `Entrance` of a worker, both transports ask there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from earful.errors import EarfulError, ErrorCode
from earful.telemetry.cleaning import places_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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


@dataclass(frozen=True, slots=True)
class Admission:
    """As whom somebody was let in."""

    tenant: str = ""


ANYBODY = Admission()
"""As whom everybody comes in where nobody is asked."""


class Doorkeeper(Protocol):
    """Decides who may come in. Shared by all callers of a worker, and called for many of them at once."""

    async def __call__(self, caller: Caller) -> Admission:
        """Let in; raises EarfulError for who may not come in, whose row is the answer.

        Cancelled where it takes longer than `handshake_timeout_s`, where the worker drains, and, on the fast
        transport, where the caller has gone. What else it raises is `internal` to the caller, and logged.
        """
        ...


class Entrance:
    """Asks the doorkeeper; whatever that one does, each caller has an answer in time."""

    def __init__(self, doorkeeper: Doorkeeper, within_s: float, metrics: Metrics, log: Logger) -> None:
        """Open; an answer takes `within_s` at most."""
        self._doorkeeper = doorkeeper
        self._within_s = within_s
        self._metrics = metrics
        self._log = log
        self._is_closed = False
        self._deadlines: set[asyncio.Timeout] = set()

    async def ask(self, caller: Caller) -> Admission:
        """As whom `caller` may come in.

        Raises EarfulError: what the doorkeeper says; `draining`; `overloaded` where it takes too long, and
        `internal` where it fails.
        """
        try:
            return await self._ask(caller)
        except EarfulError as refused:
            self._metrics.refused(refused.code)
            raise

    def close(self) -> None:
        """Refuse those who wait, and those who still come: the worker drains."""
        self._is_closed = True
        now = asyncio.get_running_loop().time()
        for deadline in self._deadlines:
            if not deadline.expired():
                deadline.reschedule(now)

    async def _ask(self, caller: Caller) -> Admission:
        if self._is_closed:
            raise EarfulError(ErrorCode.DRAINING)
        deadline = asyncio.timeout(self._within_s)
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
            self._log.error("doorkeeper failed", error=type(fault).__name__, traceback=places_of(fault))
            raise EarfulError(ErrorCode.INTERNAL) from None
        finally:
            self._deadlines.discard(deadline)

    def _late(self) -> EarfulError:
        if self._is_closed:
            return EarfulError(ErrorCode.DRAINING)
        self._log.warning("doorkeeper took too long", within_s=self._within_s)
        return EarfulError(ErrorCode.OVERLOADED, "It could not be decided in time whether to let you in; try again.")


def _is_cancelled() -> bool:
    """Whether somebody wants this task to end; what the doorkeeper waits for may be cancelled as well."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
