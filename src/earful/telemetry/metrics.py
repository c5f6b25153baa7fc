"""What one worker counts. Plain numbers on the hot path; Prometheus sees them only when it asks.

Guarantees bounded label sets, and that `summary` describes the last 60 s. Time is passed in.
Built by `app.py`; the service adds to it, the routes read it, the registry's sweep calls `tick`.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from earful.telemetry.histogram import Histogram
from earful.telemetry.summary import Summary, Window, summary_of
from earful.telemetry.totals import Totals

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.errors import ErrorCode
    from earful.telemetry.histogram import Distribution

WINDOW_S = 60.0
_SNAPSHOT_EVERY_S = 1.0
_MOST_LABELS = 32
BATCH_SIZES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1000, 2000, 5000)
LOOP_LAG_BOUNDS_S = tuple(ms / 1000 for ms in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000))
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class _Moment:
    """All that the window needs, as it stood at one time."""

    at_s: float
    requests: int
    ended: int
    failed: int
    latency: Distribution
    upload: Distribution
    loop_lag_s: float
    """The worst since the moment before."""


class Metrics:
    """Counters of one worker since its start. The plain numbers are there to be added to directly."""

    def __init__(self, now: float) -> None:
        """Begin to count at `now`, in seconds of the clock that all later times come from."""
        self.sessions_started = 0
        self.sessions_resumed = 0
        """Of the started ones: begun elsewhere or on another connection, and gone on with here."""
        self.sessions_ended: dict[str, int] = {}
        self.active_sessions = 0
        self.uploads_started = 0
        self.uploads_ended = 0
        self.uploads_left = 0
        self.failed = 0
        self.of_ended = Totals()
        """What the sessions that ended amounted to."""
        self.upload_audio_ms = 0
        self.refusals: dict[str, int] = {}
        self.errors: dict[str, int] = {}
        self.upload_errors: dict[str, int] = {}
        self.model_failures: dict[str, int] = {}
        self.latency = Histogram()
        self.model_call = Histogram()
        self.batch_size = Histogram(BATCH_SIZES)
        """Of a batch model: items, where the others hold seconds."""
        self.batch_wait = Histogram()
        self.model_step = Histogram()
        self.upload = Histogram()
        self.claims: dict[str, int] = {}
        self.claims_undecided = 0
        """Of them: those that the store could not be asked about."""
        self.exchange = Histogram()
        """Times of a worker's word with the store, those that went well."""
        self.store_is_up: bool | None = None
        """None where there is no store beside this worker's memory."""
        self.loop_lag = Histogram(LOOP_LAG_BOUNDS_S)
        """How much later than it wished the sweep was woken."""
        self.log_lines_dropped: Callable[[], int] = _none
        """Asks the log how many lines it could not write."""
        self.spans_lost: Callable[[], int] = _none
        """Asks the tracer how many spans nobody got."""
        self.answered = self.latency.observe
        """`answered(seconds)`: one chunk's way from its arrival to its answer being sent."""
        self.late_s = 0.0
        """Of the newest sweep."""
        self.overload_level = 0
        self.overload_levels: dict[str, int] = {}
        """How often each level was entered."""
        self._worst_loop_lag_s = 0.0
        """Since the newest moment."""
        self._moments = deque([self._moment(now)])

    @property
    def total_requests(self) -> int:
        """Sessions begun and uploads, since the start."""
        return self.sessions_started - self.sessions_resumed + self.uploads_started

    @property
    def resumes(self) -> dict[str, int]:
        """Tries to go on with a session, by outcome."""
        return {
            "resumed": self.sessions_resumed,
            "superseded": self.claims.get("superseded", 0),
            "failed": self.errors.get("resume_failed", 0),
        }

    @property
    def worst_loop_lag_s(self) -> float:
        """The longest that the event loop kept the sweep waiting, over the last 60 s."""
        return max(self._worst_loop_lag_s, *(moment.loop_lag_s for moment in self._moments))

    def session_started(self) -> None:
        """Count a session that was let in."""
        self.sessions_started += 1
        self.active_sessions += 1

    def session_resumed(self) -> None:
        """Count that a session which was let in had begun before."""
        self.sessions_resumed += 1

    def session_ended(self, reason: str, *, failed: bool = False) -> None:
        """Count a session's end; `failed` where an error of server or client ended it."""
        self.active_sessions -= 1
        self.failed += failed
        _count(self.sessions_ended, reason)

    def claimed(self, verdict: str) -> None:
        """Count what was said to a session's claim."""
        _count(self.claims, verdict)

    def refused(self, code: ErrorCode) -> None:
        """Count a session or upload that was not let in; it is no request of `total_requests`."""
        _count(self.refusals, code.value)

    @property
    def all_refusals(self) -> int:
        """Of all reasons, since the start."""
        return sum(self.refusals.values())

    def upload_started(self) -> None:
        """Count an upload that was let in."""
        self.uploads_started += 1

    def upload_ended(self, seconds: float, *, failed: bool = False) -> None:
        """Count an upload's end, `seconds` after its beginning."""
        self.uploads_ended += 1
        self.failed += failed
        self.upload.observe(seconds)

    def upload_left(self) -> None:
        """Count the end of an upload whose client had gone: no failure, and no answer that took its time."""
        self.uploads_ended += 1
        self.uploads_left += 1

    def error_sent(self, code: ErrorCode) -> None:
        """Count an error that a client was told in its session."""
        _count(self.errors, code.value)

    def upload_failed(self, code: ErrorCode) -> None:
        """Count an upload that was let in and answered with an error."""
        _count(self.upload_errors, code.value)

    def swept(self, late_s: float) -> None:
        """Count a sweep, woken so much later than it wished: what the event loop was busy with."""
        self.late_s = late_s
        self.loop_lag.observe(late_s)
        self._worst_loop_lag_s = max(self._worst_loop_lag_s, late_s)

    def pressed(self, level: int) -> None:
        """Count that the worker entered a level of overload."""
        self.overload_level = level
        _count(self.overload_levels, str(level))

    def model_called(self, seconds: float, failure: ErrorCode | None) -> None:
        """Count a model call and what it took; the engine's observer."""
        self.model_call.observe(seconds)
        if failure is not None:
            _count(self.model_failures, failure.value)

    def batch_ended(self, size: int, oldest_wait_s: float, step_s: float) -> None:
        """Count a batch model's step; the engine's observer."""
        self.batch_size.observe(size)
        self.batch_wait.observe(oldest_wait_s)
        self.model_step.observe(step_s)

    def counts(self) -> dict[str, int]:
        """What it came to, as single numbers: the log's last line, for who scrapes no more."""
        return {
            "requests": self.total_requests,
            "sessions": self.sessions_started,
            "resumed": self.sessions_resumed,
            "uploads": self.uploads_started,
            "errors": sum(self.errors.values()),
            "refusals": self.all_refusals,
            **asdict(self.of_ended),
        }

    def tick(self, now: float) -> None:
        """Remember where the counters stand, at most once a second, for at most the window."""
        if now - self._moments[-1].at_s >= _SNAPSHOT_EVERY_S:
            self._moments.append(self._moment(now))
            self._worst_loop_lag_s = 0.0
        while len(self._moments) > 1 and self._moments[1].at_s <= now - WINDOW_S:
            self._moments.popleft()

    def window(self, now: float) -> Window:
        """What this worker served, and how fast over the last 60 s."""
        self.tick(now)
        then, current = self._moments[0], self._moment(now)
        return Window(
            total_requests=self.total_requests,
            active_connections=self.active_sessions,
            # A session that turns out to be resumed was counted for a moment.
            requests_per_second=max(0, current.requests - then.requests) / max(1.0, now - then.at_s),
            ended=current.ended - then.ended,
            failed=current.failed - then.failed,
            latency=current.latency.since(then.latency),
            upload=current.upload.since(then.upload),
            overload_level=self.overload_level,
        )

    def summary(self, now: float) -> Summary:
        """The numbers of `/v1/metrics` at `now`, of this worker alone."""
        return summary_of([self.window(now)])

    def _moment(self, now: float) -> _Moment:
        return _Moment(
            at_s=now,
            requests=self.total_requests,
            ended=sum(self.sessions_ended.values()) + self.uploads_ended,
            failed=self.failed,
            latency=self.latency.snapshot(),
            upload=self.upload.snapshot(),
            loop_lag_s=self._worst_loop_lag_s,
        )


def _count(table: dict[str, int], label: str) -> None:
    """Add one under `label`, or under `other` once there are as many labels as a chart can bear."""
    if label not in table and len(table) >= _MOST_LABELS:
        label = _OTHER
    table[label] = table.get(label, 0) + 1


def _none() -> int:
    return 0
