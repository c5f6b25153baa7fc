"""`earful bench URL`: load on a server in real time, how long its answers took, and how many streams it holds.

Guarantees that the load runs in this process, that what was measured is shown also after Ctrl-C, and that
every foreseeable failure is one sentence on stderr. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from functools import partial
from typing import IO, TYPE_CHECKING

from earful.bench.plan import CannotMeasureError, Plan
from earful.bench.report import FAILED, Report, why_not
from earful.bench.run import Run
from earful.cli.asking import is_shedding
from earful.cli.measuring import PIPE_WIDTH, loop_factory, open_output, recording_of, write
from earful.client.connecting import ConnectError, stream_url

if TYPE_CHECKING:
    from earful.bench.figures import Figures


def bench(url: str, plan: Plan, *, wav: str | None, find: bool, json_file: str | None) -> int:
    """Measure the server at `url`; the exit code."""
    try:
        with ExitStack() as opened:
            out = open_output(json_file, opened)
            recording, tell = recording_of(wav, plan.chunk_ms), _tell if find else _say_nothing
            run = Run(stream_url(url), plan, recording, tell, partial(is_shedding, url))
            report = _measure(run, find=find)
            _show(report, out)
            return report.exit_code
    except (ConnectError, CannotMeasureError) as error:
        print(f"earful: {error}", file=sys.stderr)
        return FAILED


def _measure(run: Run, *, find: bool) -> Report:
    """Run it to its end, or to Ctrl-C. Raises CannotMeasureError where there is nothing to report."""
    is_complete, trouble = True, ""
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(run.find() if find else run.measure())
    except KeyboardInterrupt:
        is_complete = False
    except CannotMeasureError as error:
        if not run.steps:
            raise
        trouble = str(error)
    return Report(run.url, run.plan, run.steps, run.found, trouble=trouble, is_complete=is_complete)


def _show(report: Report, out: IO[str] | None) -> None:
    """The table, on stdout unless the JSON is there, and the JSON."""
    from rich.console import Console

    from earful.bench.table import notes_of, table_of

    people = sys.stderr if out is sys.stdout else sys.stdout
    console = Console(file=people, width=None if people.isatty() else PIPE_WIDTH, highlight=False)
    if report.steps:
        console.print(table_of(report.steps))
        for note in notes_of(report.steps[-1]):
            print(note, file=people)
    print(report.verdict, file=people)
    if out is not None:
        write(out, json.dumps(report.tree(), indent=1))


def _tell(step: Figures, p99_ms: float) -> None:
    """Say what came of one of many steps, as it comes."""
    reason = why_not(step, p99_ms)
    print(f"{step.streams} streams: {reason or f'held, p99 {step.latency.p99_ms:.1f} ms'}", file=sys.stderr, flush=True)


def _say_nothing(step: Figures, p99_ms: float) -> None:
    """The only step is in the table."""
