"""The places of one worker, and the one decision who gets one: by limits, by rate, and by how hard it is pressed.

Guarantees that a refusal costs next to nothing, and that whoever resumes is let in before those who are new. The base
of `Registry`, which has the sessions. A place is taken and given back in one scope, so none is leaked.
"""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.errors import EarfulError, ErrorCode
from earful.service.admission import ANYBODY, TRIED_FOR_S
from earful.service.arrivals import Arrivals
from earful.service.departure import ClientGoneError
from earful.service.drawn_id import drawn_id
from earful.service.headroom import Done, Headroom
from earful.service.ladder import Level
from earful.service.loop_load import LoopLoad, Used
from earful.service.tenants import Tenants

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from earful.engine.engine import Engine
    from earful.service.admission import Admission
    from earful.service.registry import RegistryLimits
    from earful.telemetry.metrics import Metrics

MEASURE_EVERY_S = 1.0
SHARES = {Level.NORMAL: 1.0, Level.FEWER_PARTIALS: 0.5, Level.FINALS_ONLY: 0.25}
"""Of the rate of new sessions, how much there is at each level; above them none."""
_SHED = "This server is overloaded and takes nobody new; try again later."
_NO_TIME = "This server has no time for another session; try again later."
_NO_HEADROOM = "The model of this server has no time for another session; try again later."
_TOO_MANY_AT_ONCE = "Too many sessions begin at once; try again shortly."
_NO_UPLOADS = "This server is overloaded and takes no uploads; try again later."
_UPLOADS_FULL = "As many uploads as may be are under way; try again later."


@dataclass(slots=True)
class Returning:
    """A client that said it would resume a session, while it has its slot."""

    is_reserved: bool
    """Whether the slot is there for that alone."""
    waits_for: str = ""
    """Until it has resumed one: the tenant as whose it is counted."""


class Places:
    """How many sessions and uploads there are, and whether there is room for one more."""

    def __init__(self, limits: RegistryLimits, engine: Engine, metrics: Metrics, clock: Callable[[], float]) -> None:
        """All are free. All times are in the seconds of `clock`."""
        self.limits = limits
        self.engine = engine
        self.metrics = metrics
        self.level = Level.NORMAL
        """How hard the worker is pressed."""
        self.draining = False
        self.uploads = 0
        self.sessions_elsewhere = 0
        """What the other workers hold, as of the last word from the store; 0 while there is none."""
        self.tenants = Tenants(clock)
        self.headroom = Headroom(limits.max_model_load)
        """Whether the model has time for one more ..."""
        self.loop_load = LoopLoad(limits.max_loop_load)
        """... and the event loop."""
        self._clock = clock
        self._arrivals = Arrivals(limits.max_new_sessions_per_s, clock())
        self._refused_at = -math.inf
        self._taken = 0
        self._measured_at = -math.inf
        self._had_uploads = False
        """Since then, also one that has come and gone."""
        self._returning: dict[str, Returning] = {}
        """By the id of the slot."""

    @property
    def taken(self) -> int:
        """Slots in use: live sessions and those still shaking hands."""
        return self._taken

    @property
    def is_pressed(self) -> bool:
        """Whether nobody should be sent here: the level, or a drain, lets nobody new in, or not one place is left."""
        return self.draining or self.level not in SHARES or self._is_packed

    @property
    def is_closed(self) -> bool:
        """Whether most who are new would be refused now, as far as is known without a question to anybody."""
        return (
            self.is_full
            or self.level not in SHARES
            or self.is_out_of_time
            or self._clock() - self._refused_at < TRIED_FOR_S
        )

    @property
    def is_out_of_time(self) -> bool:
        """Whether the model or the loop had no time for one more, when that was asked last."""
        return self.headroom.is_full or self.loop_load.is_full

    def measure(self, now: float) -> None:
        """Look once a second what the model and the loop did; call it at each sweep, in the loop's thread."""
        since_s = now - self._measured_at
        if since_s < MEASURE_EVERY_S:
            return
        if math.isinf(since_s):
            since_s = 0.0  # Nothing is known of the time before.
        self._measured_at = now
        had_uploads, self._had_uploads = self._had_uploads, self.uploads > 0
        engine = self.engine
        done = Done(engine.busy_s, engine.heard_s)
        self.headroom.observe(done, engine.places, self._taken, since_s, had_uploads=had_uploads)
        used = Used(time.thread_time(), self.metrics.all_refusals)
        self.loop_load.observe(used, self._taken, since_s, had_uploads=had_uploads)

    def check(self, *, resuming: bool = False) -> None:
        """Raise what `slot` would raise now: before anything is done for who would be refused all the same."""
        self._check_open()
        self._refusal_of(resuming=resuming)

    def check_tenant(self, admission: Admission) -> None:
        """Raise `tenant_limit` where `slot` would of one that is new, and count none of the tenant's sessions."""
        try:
            self.tenants.refuse(admission)
        except EarfulError as refused:
            self._note_refusal(refused.code)
            raise

    @contextmanager
    def slot(self, *, resuming: bool = False, admission: Admission = ANYBODY) -> Iterator[str]:
        """A place for one session while the scope lasts; gives the session's id, unless it resumes another.

        Raises EarfulError: `draining`; `session_limit` where all `max_sessions` are taken, or all workers together
        have `max_sessions_total`; `overloaded` where the worker is pressed, it or the model has no time, or too many
        begin at once; `tenant_limit` as `Tenants.check`. Who is `resuming` is let in all the same, for that alone, as
        long as there is a place, or, for one that is known, one of the reserve.
        """
        self._check_open()
        is_reserved = self._refusal_of(resuming=resuming, is_known=not admission.is_open)
        is_reserved |= self._is_over_limit(admission, resuming=resuming)
        self._taken += 1
        self._arrivals.note()
        session_id = drawn_id()
        if resuming:
            self._await(session_id, Returning(is_reserved, admission.tenant))
        try:
            yield session_id
        finally:
            self._taken -= 1
            self._is_back(session_id)
            self._returning.pop(session_id, None)
            self._vacated()

    def decide(self, session_id: str, admission: Admission) -> None:
        """Whoever has this slot, undecided so far, is to come in as `admission` says; raises as `slot` of a tenant."""
        returning = self._returning.get(session_id)
        is_reserved = self._is_over_limit(admission, resuming=returning is not None)
        if returning is not None:
            self._await(session_id, Returning(returning.is_reserved or is_reserved, admission.tenant))

    def _await(self, session_id: str, returning: Returning) -> None:
        """Whoever has this slot is to resume a session."""
        self._returning[session_id] = returning
        self.tenants.wait(returning.waits_for)

    def _is_back(self, session_id: str) -> None:
        """It has resumed one, or is gone, perhaps after that."""
        returning = self._returning.get(session_id)
        if returning is not None:
            self.tenants.wait_over(returning.waits_for)
            returning.waits_for = ""

    @contextmanager
    def upload(self, admission: Admission = ANYBODY) -> Iterator[None]:
        """A place for one upload while the scope lasts.

        Raises EarfulError: `draining`, or `overloaded` where `max_uploads` are under way, or the worker is pressed;
        `tenant_limit` where its tenant may have no session.
        """
        self._check_open()
        if self.level >= Level.FINALS_ONLY:
            raise self._refused(ErrorCode.OVERLOADED, _NO_UPLOADS)
        if self.uploads >= self.limits.max_uploads:
            raise self._refused(ErrorCode.OVERLOADED, _UPLOADS_FULL)
        self._is_over_limit(admission, resuming=False)
        with self.tenants.upload(admission.tenant), self._upload():
            yield

    @contextmanager
    def _upload(self) -> Iterator[None]:
        """Count one that was let in."""
        self.uploads += 1
        self._had_uploads = True
        self.metrics.upload_started()
        began = self._clock()
        failed, left = True, False
        try:
            yield
            failed = False
        except ClientGoneError:
            left = True
            raise
        except EarfulError as error:
            self.metrics.upload_failed(error.code)
            raise
        except Exception:
            self.metrics.upload_failed(ErrorCode.INTERNAL)
            raise
        finally:
            self.uploads -= 1
            if left:
                self.metrics.upload_left()
            else:
                self.metrics.upload_ended(self._clock() - began, failed=failed)
            self._vacated()

    def _vacated(self) -> None:
        """A place was given back."""

    def _refusal_of(self, *, resuming: bool, is_known: bool = True) -> bool:
        """Raise why a session is not let in; of one that is, whether only because it is `resuming`."""
        is_full = self.is_full
        if is_full and (self._is_packed or not (resuming and is_known)):
            raise self._refused(ErrorCode.SESSION_LIMIT)
        share = SHARES.get(self.level)
        if share is None:
            why = _SHED
        elif not self.headroom.has_room(self._taken):
            why = _NO_HEADROOM
        elif not self.loop_load.has_room(self._taken):
            why = _NO_TIME
        else:
            why = "" if self._arrivals.has_room(self._clock(), share) else _TOO_MANY_AT_ONCE
        if why and not resuming:
            raise self._refused(ErrorCode.OVERLOADED, why)
        return is_full or bool(why)

    @property
    def _is_packed(self) -> bool:
        """Whether the reserve, too, is taken."""
        return self._taken >= self.limits.max_sessions + self.limits.resume_reserve

    @property
    def is_full(self) -> bool:
        """Whether all places are taken, of this worker or of all together."""
        most, most_together = self.limits.max_sessions, self.limits.max_sessions_total
        return self._taken >= most or (
            most_together is not None and self._taken + self.sessions_elsewhere >= most_together
        )

    def _is_over_limit(self, admission: Admission, *, resuming: bool) -> bool:
        """Raise `tenant_limit`; of one that is let in, whether only because it is `resuming`."""
        try:
            return self.tenants.check(admission, resuming=resuming)
        except EarfulError as refused:
            self._note_refusal(refused.code)
            raise

    def _check_open(self) -> None:
        if self.draining:
            raise self._refused(ErrorCode.DRAINING)
        if not self.engine.ready:
            raise self._refused(ErrorCode.OVERLOADED, "The model is still being loaded; try again shortly.")

    def _refused(self, code: ErrorCode, text: str | None = None) -> EarfulError:
        self._note_refusal(code)
        return EarfulError(code, text)

    def _note_refusal(self, code: ErrorCode) -> None:
        self.metrics.refused(code)
        self._refused_at = self._clock()
