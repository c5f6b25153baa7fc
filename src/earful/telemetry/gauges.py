"""What a worker holds at this moment, as the scrape shows it beside the counters of `metrics.py`.

A plain value: `service/readings.py` takes it, `exposition.py` writes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from earful.telemetry.totals import Totals


@dataclass(frozen=True, slots=True)
class Gauges:
    """One look at a worker; seconds and bytes as the names say, everything else a number of things."""

    is_ready: bool = False
    is_draining: bool = False
    is_accepting: bool = True
    """Whether a balancer should send new sessions here."""
    level: int = 0
    """Of overload."""
    sessions: dict[str, int] = field(default_factory=dict)
    """By state."""
    sessions_held: int = 0
    """Of them: not read, because the model is behind or the client too fast."""
    sessions_unread: int = 0
    """Of them: whose client has not taken all it was sent."""
    places: int = 0
    places_taken: int = 0
    """Sessions, and those that shake hands or say their last words."""
    uploads: int = 0
    longest_lag_s: float = 0.0
    buffered_bytes: int = 0
    unsent_bytes: int = 0
    model_calls: int = 0
    """With the model."""
    model_waiting: int = 0
    model_orphans: int = 0
    """Cancelled, and not ended yet."""
    model_replaced: int = 0
    """Since the start: model objects lost to a failure."""
    loop_load: float | None = None
    model_load: float | None = None
    """The share of its time that its sessions take; None where that is not known."""
    model_processes: int = 0
    """Of the model's own, those that take works."""
    model_process_ends: dict[str, int] = field(default_factory=dict)
    """Since the start, of those that were followed, by cause."""
    model_replays: int = 0
    """Since the start: utterances run again."""
    model_kept_bytes: int = 0
    """Audio of open utterances, kept so that they can be."""
    of_live: Totals = field(default_factory=Totals)
    """What the live sessions amount to so far."""
