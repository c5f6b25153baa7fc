"""A scenario's outcome as one HTML page with pictures. Pure; written to a file by the command.

Guarantees that it loads nothing: style and images are inside, and there is no script.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from earful.bench.machine import where
from earful.bench.scenario.chart import Chart, Series
from earful.bench.scenario.table import COLUMNS, in_words
from earful.client.address import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.bench.scenario.judgement import Check
    from earful.bench.scenario.outcome import Outcome
    from earful.bench.scenario.stretch import Stretch

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --faint: #d6dae0; --c0: #2563b8; --c1: #c2570c; --c2: #b3261e;
  --c3: #4a7a1e; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e7eb; --faint: #3a4048; --c0: #7fb2f5; --c1: #f2a25c;
  --c2: #f28b82; --c3: #a3d06c; --paper: #16191d; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .5rem; text-align: right; border-bottom: 1px solid var(--faint); }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
.fails { color: var(--c2); font-weight: 600; }
svg { width: 100%; height: auto; margin: 1rem 0 0; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .title { font-weight: 600; font-size: 13px; } svg .tick, svg .mark { opacity: .7; }
.grid { stroke: var(--faint); } line.mark { stroke: var(--ink); opacity: .25; stroke-dasharray: 2 3; }
.bound { stroke: var(--c2); stroke-dasharray: 6 4; } .line { fill: none; stroke-width: 1.6; stroke-linecap: round; }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
.line.c3 { stroke: var(--c3); }
svg .name.c0 { fill: var(--c0); } svg .name.c1 { fill: var(--c1); } svg .name.c2 { fill: var(--c2); }
svg .name.c3 { fill: var(--c3); }
"""


def page_of(outcome: Outcome) -> str:
    """The whole page."""
    title = f"earful bench: {outcome.shape.name}"
    body = "\n".join(
        (
            f"<h1>{escape(title)}</h1>",
            f"<p>{escape(outcome.verdict)}</p>",
            _checks(outcome),
            *(chart.svg() for chart in charts_of(outcome) if not chart.is_empty),
            f'<h2>Phases</h2><div class="wide">{_phases(outcome)}</div>',
            f"<h2>How it was measured</h2><p>{escape(_how(outcome))}</p>",
        )
    )
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return (
        f'<!doctype html>\n<html lang="en"><head>{head}<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n'
    )


def charts_of(outcome: Outcome) -> list[Chart]:
    """All pictures, those with nothing in them too."""
    at_s = [interval.at_s + interval.seconds / 2 for interval in outcome.intervals]
    played_s = sum(interval.seconds for interval in outcome.intervals)
    marks = [(begin, phase.name) for begin, _, phase in outcome.shape.spans() if begin < played_s]

    def chart(title: str, *lines: tuple[str, Callable[[Stretch], float | None]], bound: float | None = None) -> Chart:
        series = [Series(name, [value(interval) for interval in outcome.intervals]) for name, value in lines]
        return Chart(title, at_s, series, marks, bound)

    wanted = "arrivals/s" if outcome.shape.is_open else "wanted"
    return [
        chart(
            "Latency from when a chunk was due to its answer, ms",
            ("p50", lambda it: it.p50_ms),
            ("p95", lambda it: it.p95_ms),
            ("p99", lambda it: it.p99_ms),
            bound=outcome.plan.p99_ms,
        ),
        chart("Streams", ("streams", lambda it: it.streams), (wanted, lambda it: it.level)),
        chart(
            "Goodput: seconds of audio a second whose final came within 2 s", ("goodput", lambda it: it.good_s_per_s)
        ),
        chart(
            "Refusals and losses, a second",
            ("refused", lambda it: it.refused / it.seconds),
            ("lost", lambda it: it.lost / it.seconds),
            ("errors", lambda it: it.errors / it.seconds),
        ),
        chart("Time to a refusal, p99, ms", ("refusals", lambda it: it.refused_p99_ms)),
        chart("CPU of the server, % of a core", ("CPU", lambda it: it.cpu_pct)),
        chart("Memory of the server, MB", ("resident", lambda it: it.resident_mb)),
        chart("Lateness of the generator itself, p99, ms", ("late", lambda it: it.late_p99_ms)),
    ]


def _checks(outcome: Outcome) -> str:
    rows = [
        f"<tr><td>{escape(check.promise)}</td><td>{in_words(check.figure, 2)}</td>{_judged(check)}</tr>"
        for check in outcome.checks
    ]
    return f"<table><tr><th>promise</th><th>figure</th><th></th></tr>{''.join(rows)}</table>"


def _judged(check: Check) -> str:
    if check.holds is None:
        return f"<td>not judged: {escape(check.not_judged or '')}</td>"
    return "<td>holds</td>" if check.holds else '<td class="fails">fails</td>'


def _phases(outcome: Outcome) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading, _ in COLUMNS)
    rows = [
        "".join(f"<td>{escape(in_words(getattr(phase, name)))}</td>" for _, name in COLUMNS) for phase in outcome.phases
    ]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _how(outcome: Outcome) -> str:
    plan, place = outcome.plan, where()
    versions = ", ".join(f"{name} {version}" for name, version in place["versions"].items() if version)
    return (
        f"{shown(outcome.url)}; chunks of {plan.chunk_ms} ms, each stream speaking {plan.duty:.0%} of the time; "
        f"{place['cpu'] or 'processor unknown'}, {place['cpu_count']} processors, {place['platform']}; {versions}."
    )
