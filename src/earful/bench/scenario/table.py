"""A scenario's outcome as tables for people: a row for each phase, then what was promised. Called by the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from earful.bench.scenario.judgement import Check
    from earful.bench.scenario.outcome import Outcome

COLUMNS = (
    ("phase", "name"),
    ("streams", "streams"),
    ("p50 ms", "p50_ms"),
    ("p95 ms", "p95_ms"),
    ("p99 ms", "p99_ms"),
    ("goodput s/s", "good_s_per_s"),
    ("arrived", "arrived"),
    ("refused", "refused"),
    ("refused p99 ms", "refused_p99_ms"),
    ("lost", "lost"),
    ("errors", "errors"),
    ("CPU %", "cpu_pct"),
    ("MB", "resident_mb"),
    ("late p99 ms", "late_p99_ms"),
)
"""A heading, and what of a phase stands under it."""


def phases_table(outcome: Outcome) -> Table:
    """One row a phase."""
    table = Table(box=None, header_style="bold")
    for heading, _ in COLUMNS:
        table.add_column(heading, justify="left" if heading == "phase" else "right")
    for phase in outcome.phases:
        table.add_row(*(in_words(getattr(phase, name)) for _, name in COLUMNS))
    return table


def checks_lines(outcome: Outcome) -> list[str]:
    """One line a promise."""
    return [_line(check) for check in outcome.checks]


def in_words(value: float | str | None, digits: int = 1) -> str:
    """A cell's text; a dash for what is not known."""
    if value is None:
        return "-"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def _line(check: Check) -> str:
    if check.holds is None:
        return f"not judged  {check.promise}: {check.not_judged}"
    return f"{'holds' if check.holds else 'FAILS'}  {check.promise}: {in_words(check.figure, 2)}"
