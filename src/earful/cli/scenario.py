"""`earful bench --scenario`: a load that changes with time, its report as table, JSON and page.

Guarantees that what was played is shown also after Ctrl-C, and that every foreseeable failure is one sentence on
stderr. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from earful.bench.dialer import Dialer, make_room
from earful.bench.figures import Trouble
from earful.bench.plan import CannotMeasureError
from earful.bench.report import FAILED
from earful.bench.run import tree_of
from earful.bench.scenario.cast import Cast, Retrying
from earful.bench.scenario.outcome import Outcome
from earful.bench.scenario.performance import Performance
from earful.bench.scenario.shape import MULTIPLES, overload, ramp, soak, spike, sustained
from earful.bench.scenario.stretch import unmeasured
from earful.cli.measuring import PIPE_WIDTH, loop_factory, open_output, recording_of, write
from earful.client.connecting import ConnectError, stream_url

if TYPE_CHECKING:
    from earful.bench.plan import Plan
    from earful.bench.recording import Recording
    from earful.bench.scenario.shape import Shape

NAMES = ("ramp", "sustained", "spike", "soak", "overload")
MOST_MULTIPLE = 100
_LEAST_SPIKE = 2
_SPARE_CONNECTIONS = 1000
"""For those that are refused, or leave while others come."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Which one, and what only scenarios ask for; `session_s` is how long a session of soak or overload lasts."""

    name: str
    session_s: float = 10.0
    multiples: tuple[float, ...] = MULTIPLES
    retrying: Retrying = field(default_factory=Retrying)

    def shape(self, plan: Plan) -> Shape:
        """Of the plan's streams, which `overload` takes for a capacity, and its seconds, there each phase's."""
        if self.name == "overload":
            asks_again = self.retrying.most > 0
            return overload(plan.streams, plan.seconds, self.session_s, self.multiples, asks_again=asks_again)
        if self.name == "soak":
            return soak(plan.streams, plan.seconds, self.session_s)
        return {"ramp": ramp, "sustained": sustained, "spike": spike}[self.name](plan.streams, plan.seconds)


def scenario_of(name: str, session_s: float, multiples: str, retriers: int, retry_ms: int) -> Scenario:
    """What the flags ask for; raises typer.BadParameter where that is none."""
    import typer

    if name not in NAMES:
        raise typer.BadParameter(f"{name} is none of {', '.join(NAMES)}.", param_hint="--scenario")
    try:
        steps = tuple(float(step) for step in multiples.split(","))
    except ValueError:
        steps = ()
    if not steps or not all(0 < step <= MOST_MULTIPLE for step in steps):
        text = f"{multiples} is not a list of numbers above 0 and up to {MOST_MULTIPLE}, as 0.5,1,2."
        raise typer.BadParameter(text, param_hint="--multiples")
    return Scenario(name, session_s, steps, Retrying(retriers, retry_ms / 1000))


def reject_unmeasurable(scenario: Scenario, plan: Plan) -> None:
    """Refuse what could not be judged however it went; raises typer.BadParameter."""
    import typer

    if scenario.name == "spike" and plan.streams < _LEAST_SPIKE:
        text = f"A spike goes from one stream to more: it needs {_LEAST_SPIKE} at least."
        raise typer.BadParameter(text, param_hint="--streams")
    shape = scenario.shape(plan)
    short = unmeasured(shape)
    if short:
        text = (
            f"{plan.seconds:g} is too little: of the {scenario.name}, {short[0].name} would last "
            f"{short[0].seconds:.3g} s, without an interval of {shape.interval_s:g} s in it."
        )
        raise typer.BadParameter(text, param_hint="--seconds")


def play(
    url: str, scenario: Scenario, plan: Plan, *, wav: str | None, json_file: str | None, html_file: str | None
) -> int:
    """Play it to the server at `url`; the exit code."""
    try:
        with ExitStack() as opened:
            out, page = open_output(json_file, opened), open_output(html_file, opened)
            outcome = _play(stream_url(url), scenario, plan, recording_of(wav, plan.chunk_ms))
            _show(outcome, out, page)
            return outcome.exit_code
    except (ConnectError, CannotMeasureError) as error:
        print(f"earful: {error}", file=sys.stderr)
        return FAILED


def _play(url: str, scenario: Scenario, plan: Plan, recording: Recording) -> Outcome:
    """Play it to its end, or to Ctrl-C."""
    shape = scenario.shape(plan)
    begun: list[Performance] = []

    async def perform() -> None:
        make_room(shape.most + _SPARE_CONNECTIONS)
        dialer = await Dialer.find(url)
        cast = Cast(shape, plan, recording, dialer, scenario.retrying)
        begun.append(Performance(shape, plan, recording, cast, tree_of(plan.pid)))
        await begun[0].play()

    is_complete = True
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(perform())
    except KeyboardInterrupt:
        is_complete = False
    if not begun:
        raise CannotMeasureError("Interrupted before anything was played.")
    played = begun[0]
    trouble = Trouble.of(played.tally)
    return Outcome.of(url, shape, plan, played.timeline, trouble, None if is_complete else played.seconds)


def _show(outcome: Outcome, out: IO[str] | None, page: IO[str] | None) -> None:
    """The tables, on stdout unless something else is there, the JSON, and the page."""
    from rich.console import Console

    from earful.bench.scenario.table import checks_lines, phases_table

    people = sys.stderr if sys.stdout in (out, page) else sys.stdout
    console = Console(file=people, width=None if people.isatty() else PIPE_WIDTH, highlight=False)
    console.print(phases_table(outcome))
    print(*checks_lines(outcome), outcome.verdict, sep="\n", file=people)
    if out is not None:
        write(out, json.dumps(outcome.tree(), indent=1))
    if page is not None:
        from earful.bench.scenario.page import page_of

        write(page, page_of(outcome))
