"""Bytes that nobody means, by the million: atheris over the targets of `tests/fuzz`, one after another.

python bench/fuzz.py [--seconds 60] [--seed 1] [--target NAME ...]     so long over all of them together
python bench/fuzz.py --runs 10000000                                   so many runs, most where one costs least
python bench/fuzz.py --replay NAME FILE                                one input again, as it was found

The same seed finds the same where the same number of runs is made. An input that fails is kept in the directory
--found, and told; so is what one target has learnt in --corpus, where that is given, and goes on from there.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from report import Report, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
SHARES = {"codec": 55, "seal": 28, "frames": 10, "wav": 2, "pcm": 3, "form": 1, "container": 1}
"""Every target, and how many of a hundred runs it has where runs are counted."""
ONE_RUN_S = 1.0
"""CPU time: whoever shares the machine, or stops this process, makes no run slow."""
_BOUNDS = ("-max_len=1024", "-rss_limit_mb=1024", "-timeout=7200", "-report_slow_units=7200", "-print_final_stats=1")
"""Bytes of an input and memory; libFuzzer's own deadlines go by the clock on the wall."""
_START_S = 60
_TAIL_CHARACTERS = 4_000
_RUNS = re.compile(rb"stat::number_of_executed_units: (\d+)")


def fuzz(name: str, place: Path, flags: list[str]) -> None:
    """Run a target in this process until libFuzzer ends it; `place` is its corpus, or the one input to run."""
    import atheris  # type: ignore[import-untyped]

    logging.disable(logging.CRITICAL)
    with atheris.instrument_imports(include=["earful", f"tests.fuzz.{name}"]):
        target = importlib.import_module(f"tests.fuzz.{name}")
    if place.is_dir():
        for number, seed in enumerate(target.SEEDS):
            (place / f"seed-{number}").write_bytes(seed)
    atheris.Setup([name, str(place), *flags], partial(check_in_time, target.check))
    atheris.Fuzz()


def check_in_time(check: Callable[[bytes], None], data: bytes) -> None:
    """Check one input; raises TimeoutError where that costs more than `ONE_RUN_S`."""
    began = time.process_time()
    check(data)
    if time.process_time() - began > ONE_RUN_S:
        raise TimeoutError(len(data))


def run_alone(name: str, flags: list[str], within_s: float) -> subprocess.CompletedProcess[bytes]:
    """Run a target in a process of its own, over the sources as they are: what is compiled tells atheris nothing."""
    paths = {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    return subprocess.run(  # noqa: S603 - itself
        [sys.executable, __file__, "--inside", name, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **paths},
        timeout=within_s,
        check=False,
    )


def hunt(name: str, flags: list[str], within_s: float) -> tuple[int, bool]:
    """Runs that were made of a target, and whether all went as they should; what did not is printed."""
    done = run_alone(name, [*flags, *_BOUNDS], within_s)
    counted = _RUNS.search(done.stdout)
    holds = done.returncode == 0 and counted is not None
    if not holds:
        print(done.stdout.decode(errors="replace")[-_TAIL_CHARACTERS:])
    return int(counted[1]) if counted else 0, holds


@contextmanager
def corpora(given: Path | None) -> Iterator[Path]:
    """Where corpora are kept: for ever, or for this run."""
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        yield Path(folder)


def measure(wanted: argparse.Namespace) -> int:
    """Run the targets that are asked for; the exit code."""
    report = Report("fuzz")
    report.note("seed", wanted.seed)
    names = wanted.target or list(SHARES)
    wanted.found.mkdir(parents=True, exist_ok=True)
    with corpora(wanted.corpus) as folder:
        for name in names:
            _measure_one(report, wanted, name, folder / name)
    return report.finish()


def _measure_one(report: Report, wanted: argparse.Namespace, name: str, corpus: Path) -> None:
    names = wanted.target or list(SHARES)
    runs = wanted.runs * SHARES[name] // sum(SHARES[each] for each in names)
    seconds = max(1, wanted.seconds // len(names))
    bound, within_s = (f"-runs={runs}", wanted.within_s) if runs else (f"-max_total_time={seconds}", float(seconds))
    progress(f"{name}: {bound}")
    corpus.mkdir(parents=True, exist_ok=True)
    flags = [str(corpus), bound, f"-seed={wanted.seed}", f"-artifact_prefix={wanted.found}/{name}-"]
    began = time.monotonic()
    made, holds = hunt(name, flags, within_s + _START_S)
    for kept in sorted(wanted.found.glob(f"{name}-*")) if not holds else ():
        print(f"python bench/fuzz.py --replay {name} {kept}")
    report.claim(f"{name}: runs", made, "no failure", holds=holds)
    report.note(f"{name}: runs a second", round(made / (time.monotonic() - began)))


def main() -> int:
    """Read the command line and run what it asks for."""
    if sys.argv[1:2] == ["--inside"]:
        fuzz(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--within-s", type=float, default=7_200, help="longest that one target's runs may take")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--target", nargs="*", choices=tuple(SHARES))
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--found", type=Path, default=ROOT / ".fuzz")
    parser.add_argument("--replay", nargs=2, metavar=("NAME", "FILE"))
    wanted = parser.parse_args()
    if wanted.replay is not None:
        done = run_alone(wanted.replay[0], [wanted.replay[1]], _START_S)
        print(done.stdout.decode(errors="replace"))
        return done.returncode
    return measure(wanted)


if __name__ == "__main__":
    sys.exit(main())
