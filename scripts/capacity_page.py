"""Make docs/capacity.md of the capacity file that ships with earful: `python scripts/capacity_page.py`.

Guarantees the same page for the same file. Run after `earful bench --capacity src/earful/planning/capacity.json`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from earful.bench.plan import Plan
from earful.cli.capacity import CHUNKS_MS, DUTIES
from earful.planning.capacity import UNLIMITED, Capacity
from earful.planning.estimate import Need, estimate

ROOT = Path(__file__).parents[1]
FILE = ROOT / "src" / "earful" / "planning" / "capacity.json"
PAGE = ROOT / "docs" / "capacity.md"
TARGETS = (1_000, 10_000, 100_000)
_STEPS = 13
"""That a point takes, the unloaded one among them."""
_BESIDE_S = 5
"""What a step takes besides what is measured: connecting, a warm-up, a rest."""

_HEAD = """# Capacity

What one worker holds, and how many a number of sessions needs. This page is made of
[`capacity.json`](../src/earful/planning/capacity.json) by `python scripts/capacity_page.py`; `earful plan` reads the
same file.

## One worker

Real-time streams of one worker that speak all the time (duty 1) or four tenths of it (duty 0.4: turns of 4 s and
silence between them), at a p99 of at most {margin} ms above the unloaded; the bound stands beside it. Latency counts
from when a chunk was due to its answer. The model is the mock, which takes 50 ms and answers every 100 ms of speech:
smaller chunks wait for one another. A `+` says that the load's own process was late first, a `*` that the
server refused more by its own limits: either way the machine holds at least as many. A session's memory is what the
first streams took; the worker's is with those that it held, and the most that it had in any step: what too many made it
take, it keeps. A `-` says that nobody looked.
"""

_SCALING = """## More workers

Workers behind HAProxy that share a Redis, each held to a fifth of a core, so that two cores can stand for eight; a
model that burns 0.3 ms of CPU a call fills it with 55 streams, and HAProxy and the load stay small beside them. One run
of `python bench/scaling.py` found 55, 116, 213 and 439 streams at a p99 of 100 ms:

![As many times one worker's as there are workers](images/scaling.svg)

"""

_FORETOLD = """
Of the same workers a capacity file was made (`python bench/foretell.py`), and what `earful plan` said of others beside
what was then measured:

| workers | chunk | duty | foretold | measured | off by |
|---|---|---|---|---|---|
| 1 | 150 ms | 0.7 | 106 | 95 | 12 % |
| 2 | 150 ms | 1 | 158 | 155 | 2 % |
| 4 | 100 ms | 0.7 | 304 | 285 | 7 % |
| 4 | 120 ms | 0.5 | 451 | 444 | 2 % |

Between 20 and 100 ms it is less sure: chunks that come faster than the model answers share a call.
"""

_MANY = """## Many

What `earful plan` says for 100 ms chunks and duty 0.4, with 30 % headroom and one spare worker. The worst memory is
what to give containers: as much for each as any worker was seen to have, overloaded ones too. What lies beyond the
chunks, duties and workers that were measured is taken to cost as much as the nearest that was, or more, and the plan
says so (`beyond`); where a point that it reckons by says less than the machine holds, it says that (`at least`), and
where one held nothing, or a worker would hold less than one session, there is no plan. Such workers let in as many as
they were measured to hold (`started with`), and whole ones; with its settings as they are a worker refuses from 80 % of
a core on, and from 2,000 sessions.

One Redis executes its commands on one core: what would take more than is to be used of it is a cluster of so many nodes
at least. Its memory is that of the sessions, and of the notes of those that ended within seven minutes. In and out is
what IP carries, acknowledgements too, one for every second packet; they are fewer where a network card hands over
several at once. TLS is not in it, nor what a link puts around each packet: Ethernet's 38 bytes are 3 % of what comes
in, and up to 60 % of what goes out.
"""

_OWN = """
## Your own

With your model and your machine the figures are yours: a model that computes on the same cores is most of the cost.
Give a worker that lets in more than it can hold a core of its own, the load another. It takes about {minutes:.0f}
minutes:

```sh
taskset -c 0 earful serve --port 8000 {unlimited} &
taskset -c 1 earful bench http://127.0.0.1:8000 --capacity mine.json --streams 200 --pid $!
earful plan --sessions 100000 --duty 0.4 --capacity mine.json
```

What is unloaded says one stream alone; where anything goes wrong with it, nothing is measured. A worker with its
settings as they are refuses before it is slow, and what is found is what it lets in: such a point is marked
(`is_refusal_bound`), and `earful plan` tells it.

`earful bench --scenario overload --streams N`, N being what a worker holds, shows what happens beyond it and
[judges it](overload.md#a-run-of-your-own), and `--html` makes a page with pictures of it.
`locust -f bench/locustfile.py --headless -u 100 -t 60s --host http://127.0.0.1:8000` does it with locust's users, and
`--shape ramp` or `--shape spike` in other ways. One core is enough for about 500 of them (300 took 54 % of it, 600 all
of it): for more start several processes of locust, `--processes 4`.
"""


def page_of(capacity: Capacity) -> str:
    """The whole page."""
    margin = max((round(point.p99_ms - point.unloaded_p99_ms) for point in capacity.points), default=0)
    minutes = len(CHUNKS_MS) * len(DUTIES) * _STEPS * (Plan().seconds + _BESIDE_S) / 60
    parts = [_HEAD.format(margin=margin), _points(capacity), _place(capacity), _scaling(capacity), _needs(capacity)]
    return "\n".join(filter(None, parts)) + _OWN.format(minutes=minutes, unlimited=UNLIMITED)


def _points(capacity: Capacity) -> str:
    rows = [
        "| chunk | duty | streams | p99 at most | CPU of a core | KB a session | MB held | MB at worst |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for point in sorted(capacity.points, key=lambda point: (point.chunk_ms, -point.duty)):
        more = ("*" if point.is_refusal_bound else "") + ("+" if point.is_generator_bound else "")
        figures = (point.cpu_pct, point.kb_per_session, point.held_mb, point.worst_mb)
        used = " | ".join("-" if value is None else f"{value:.0f}" for value in figures)
        rows.append(
            f"| {point.chunk_ms} ms | {point.duty:g} | {point.streams:,}{more} | {point.p99_ms:.0f} ms | {used} |"
        )
    return "\n".join(rows) + "\n"


def _place(capacity: Capacity) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in sorted(capacity.versions.items()) if version)
    place = f"{capacity.cpu or 'a processor of unknown name'}, {capacity.cpu_count} of them"
    note = f" {capacity.note}" if capacity.note else ""
    return f"Measured on: {place}; {versions}.\nEach step was measured for {capacity.seconds:g} s.{note}\n"


def _scaling(capacity: Capacity) -> str:
    if not capacity.scaling:
        return ""
    rows = ["| workers | each holds, of what one alone does |", "|---|---|"]
    rows += [f"| {one.workers} | {one.share:.0%} |" for one in capacity.scaling]
    return _SCALING + "\n".join(rows) + "\n" + _FORETOLD


def _needs(capacity: Capacity) -> str:
    rows = [
        _MANY,
        "| sessions | workers | memory | at worst | Redis | in | out |",
        "|---|---|---|---|---|---|---|",
    ]
    for sessions in TARGETS:
        found = estimate(Need(sessions=sessions, duty=0.4), capacity)
        both = (found.memory_mb, found.worst_memory_mb)
        memory = " | ".join("-" if it is None else f"{it / 1024:,.1f} GB" for it in both)
        redis = f"{found.redis_cpu_share:.1%} of a core, {found.redis_memory_mb:,.0f} MB"
        lines = f"{found.in_mbit_per_s:,.0f} Mbit/s | {found.out_mbit_per_s:,.0f} Mbit/s"
        rows.append(f"| {sessions:,} | {found.workers:,} | {memory} | {redis} | {lines} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write it."""
    PAGE.write_text(page_of(Capacity.parse(FILE.read_bytes())), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
