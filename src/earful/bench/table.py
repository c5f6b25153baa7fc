"""A report as a table for people: a row for each step, then what was beside the streams. Called by the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.bench.figures import Beside, Figures

_NOT_KNOWN = "-"


def table_of(steps: Sequence[Figures]) -> Table:
    """One row a step; times in ms. CPU and memory have columns only where they are known."""
    has_server = any(step.server.cpu_pct is not None for step in steps)
    table = Table(box=None, header_style="bold")
    for heading in (*_HEADINGS, *(_SERVER_HEADINGS if has_server else ())):
        table.add_column(heading, justify="right")
    for step in steps:
        table.add_row(*_cells(step), *(_server_cells(step) if has_server else ()))
    return table


def notes_of(step: Figures) -> list[str]:
    """A line for what was beside the streams, if anything was."""
    notes = []
    if step.idle is not None:
        notes.append(f"{step.idle.number:.0f} idle sessions stayed{_trouble(step.idle)}")
    if step.handshakes is not None and step.handshakes.latency is not None:
        latency = step.handshakes.latency
        times = f"p50 {_ms(latency.p50_ms)}, p99 {_ms(latency.p99_ms)} ms"
        notes.append(
            f"{latency.count} handshakes, {step.handshakes.number:g} a second: {times}{_trouble(step.handshakes)}"
        )
    if step.server.kb_per_session is not None:
        notes.append(f"{step.server.kb_per_session:.1f} KB a session, {step.server.resident_mb_start:.1f} MB before")
    return notes


_HEADINGS = (
    "streams",
    "chunk ms",
    "p50 ms",
    "p95 ms",
    "p99 ms",
    "max ms",
    "answered",
    "errors",
    "lost",
    "refused",
    "late p99 ms",
)
_SERVER_HEADINGS = ("CPU %", "us/chunk", "MB")


def _cells(step: Figures) -> list[str]:
    latency, trouble = step.latency, step.trouble
    refused = sum(trouble.refused.values()) + sum(trouble.unreachable.values())
    return [
        str(step.streams),
        str(step.chunk_ms),
        *(_ms(value) for value in (latency.p50_ms, latency.p95_ms, latency.p99_ms, latency.max_ms)),
        f"{step.answered_share:.2%}",
        str(sum(trouble.errors.values())),
        str(sum(trouble.lost.values())),
        str(refused),
        _ms(step.generator_late.p99_ms),
    ]


def _server_cells(step: Figures) -> list[str]:
    server = step.server
    return [_ms(value) for value in (server.cpu_pct, server.cpu_us_per_chunk, server.resident_mb_end)]


def _ms(value: float | None) -> str:
    return _NOT_KNOWN if value is None else f"{value:.1f}"


def _trouble(beside: Beside) -> str:
    return f" ({beside.trouble.sentence})" if beside.trouble.sentence else ""
