"""How many sessions each tenant has, here and at the other workers, and whether it may begin one more.

Guarantees that no session waits for the store: the others' counts are those of the last exchange, a second old, and
`rates.py` says how fast they may begin. While the store is away each worker decides by its share of a limit. Owned by
the registry; `presence.py` brings the counts.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

from earful.errors import EarfulError, ErrorCode
from earful.service.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from earful.service.admission import Admission, TenantLimits

MOST_ASKED_FOR = 500
"""Tenants without a session here whose counts are asked for all the same, those that came last ..."""
ASKED_FOR_S = 60.0
"""... in so many seconds."""
_TOO_MANY_WAIT = "Too many connections of your tenant wait to resume a session; try again shortly."
_TOO_FAST = "Your tenant begins too many sessions at once; try again shortly."


class Tenants:
    """The tenants of one worker. Those who come in as nobody in particular have no limits and are not counted."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """There is nobody; times are in the seconds of `clock`."""
        self._clock = clock
        self._sessions: Counter[str] = Counter()
        self._uploads: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        """Of those that said they would resume a session, who has not done so yet."""
        self._elsewhere: dict[str, int] = {}
        self._workers = 1
        self._is_cut_off = False
        self._asked_for: OrderedDict[str, float] = OrderedDict()
        self.rates = Rates()
        """How fast their sessions begin."""

    def refuse(self, admission: Admission) -> None:
        """Raise what `check` would of one that is new, and count none."""
        tenant, limits = admission.tenant, admission.limits
        if not tenant:
            return
        self._note(tenant)
        rate_per_s = limits.max_new_sessions_per_s
        if self._is_full(tenant, limits):
            raise EarfulError(ErrorCode.TENANT_LIMIT)
        if rate_per_s and not self.rates.has_room(tenant, rate_per_s, self._clock()):
            raise EarfulError(ErrorCode.TENANT_LIMIT, _TOO_FAST)

    def check(self, admission: Admission, *, resuming: bool = False) -> bool:
        """Count one that is to begin; True where it may only because it is `resuming`.

        Raises EarfulError(TENANT_LIMIT) where the tenant has all the sessions it may have, or begins too many at once;
        of one that is `resuming`, where as many wait here to resume as the tenant may have sessions.
        """
        tenant, limits = admission.tenant, admission.limits
        if not tenant:
            return False
        if resuming:
            self._note(tenant)
            if self._waiting[tenant] >= _most_waiting(limits):
                raise EarfulError(ErrorCode.TENANT_LIMIT, _TOO_MANY_WAIT)
            return self._is_full(tenant, limits)
        self.refuse(admission)
        if limits.max_new_sessions_per_s:
            self.rates.take(tenant, limits.max_new_sessions_per_s, self._clock())
        return False

    def wait(self, tenant: str) -> None:
        """One has come that says it will resume a session."""
        if tenant:
            self._waiting[tenant] += 1

    def wait_over(self, tenant: str) -> None:
        """It has, or is gone."""
        _count_down(self._waiting, tenant)

    def enter(self, tenant: str) -> None:
        """One of its sessions begins."""
        if tenant:
            self._sessions[tenant] += 1

    def leave(self, tenant: str) -> None:
        """One of its sessions has ended."""
        _count_down(self._sessions, tenant)

    @contextmanager
    def upload(self, tenant: str) -> Iterator[None]:
        """One of its uploads, which counts as a session here and nowhere else, while the scope lasts."""
        self._uploads[tenant] += 1
        try:
            yield
        finally:
            _count_down(self._uploads, tenant)

    def asked_for(self) -> dict[str, int]:
        """Tenants of whom the others' counts should be told, none of whose sessions may be here."""
        since = self._clock() - ASKED_FOR_S
        while self._asked_for and next(iter(self._asked_for.values())) < since:
            self._asked_for.popitem(last=False)
        return dict.fromkeys(self._asked_for, 0)

    def learn(self, elsewhere: Mapping[str, int], workers: int) -> None:
        """What the other workers have of these tenants; there are so many `workers`, this one too."""
        self._elsewhere = {tenant: number for tenant, number in elsewhere.items() if number > 0}
        self._workers = max(1, workers)
        self._is_cut_off = False
        self.rates.share(workers)

    def cut_off(self) -> None:
        """The store is away: each worker keeps to its share, of as many as there were."""
        self._elsewhere = {}
        self._is_cut_off = True
        self.rates.cut_off()

    def _is_full(self, tenant: str, limits: TenantLimits) -> bool:
        most = limits.max_sessions
        if most is None:
            return False
        share = math.ceil(most / self._workers) if self._is_cut_off else most
        held = self._sessions[tenant] + self._uploads[tenant] + self._elsewhere.get(tenant, 0)
        return held >= share

    def _note(self, tenant: str) -> None:
        self._asked_for.pop(tenant, None)
        while len(self._asked_for) >= MOST_ASKED_FOR:
            self._asked_for.popitem(last=False)
        self._asked_for[tenant] = self._clock()


def _most_waiting(limits: TenantLimits) -> float:
    """All of its sessions may come back at once; one always may, or none of a tenant without a place could."""
    return math.inf if limits.max_sessions is None else max(1, limits.max_sessions)


def _count_down(counts: Counter[str], tenant: str) -> None:
    """One less; at none nothing is kept of the name."""
    if counts[tenant] <= 1:
        counts.pop(tenant, None)
    else:
        counts[tenant] -= 1
