"""`earful check-model`: whether a model keeps the contract, how fast it is, and how many sessions that makes.

A report for people, or one JSON object. Called by `commands`.
"""

from __future__ import annotations

import json
import math
import sys
from typing import TYPE_CHECKING, Any

from earful.cli.recording import ReadError, open_recording
from earful.errors import EarfulError
from earful.models.loading import ModelLoadError
from earful.models.types import MODEL_RATE_HZ
from earful.testing.examination import EndedError, examine
from earful.testing.measuring import HEADROOM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.testing.contract import Verdict
    from earful.testing.measuring import Figures

_MOST_S = 10
_BYTES_PER_S = MODEL_RATE_HZ * 2
_BLOCK_MS = 100
"""A model that holds the loop for longer keeps every session of the worker waiting for as long."""


def check_model(name: str, *, file: str, options: str, as_json: bool) -> int:
    """Print what was found, in a process of the model's own.

    0 where the contract is kept, 1 where it is broken or the model ended its process, 2 where nothing could be tried.
    """
    try:
        audio = _speech(file)
        verdicts, figures = examine(name, _options(options), audio)
    except EndedError as error:
        print(f"earful: {error}", file=sys.stderr)
        return 1
    except (ReadError, EarfulError, ModelLoadError, ValueError) as error:
        print(f"earful: {error}", file=sys.stderr)
        return 2
    if as_json:
        print(json.dumps(_as_tree(name, verdicts, figures), indent=2))
    else:
        print(*_report(name, verdicts, figures), sep="\n")
    return 1 if _is_broken(verdicts, figures) else 0


def _speech(file: str) -> bytes:
    """At most ten seconds of the recording, as models hear it; raises ReadError, EarfulError, ValueError."""
    audio = bytearray()
    with open_recording(file) as recording:
        while len(audio) < _MOST_S * _BYTES_PER_S and (pcm := recording.read()):
            audio += pcm
    if len(audio) < _BYTES_PER_S:
        raise ValueError(f"{file} is too short: a second of speech is the least")
    return bytes(audio[: _MOST_S * _BYTES_PER_S])


def _options(text: str) -> dict[str, Any]:
    options = json.loads(text)
    if not isinstance(options, dict):
        raise ValueError("--options must be a JSON object")  # noqa: TRY004 - a sentence for whoever typed it
    return options


def _is_broken(verdicts: Sequence[Verdict], figures: Figures) -> bool:
    return figures.failures > 0 or any(verdict.reason is not None for verdict in verdicts)


def _as_tree(name: str, verdicts: Sequence[Verdict], figures: Figures) -> dict[str, Any]:
    return {
        "model": name,
        "is_kept": not _is_broken(verdicts, figures),
        "contract": {verdict.promise: verdict.reason or "kept" for verdict in verdicts},
        "load_s": round(figures.load_s, 3),
        "load_bytes": figures.load_bytes,
        "real_time_factor": _number(figures.real_time_factor),
        "cpu_factor": _number(figures.cpu_factor),
        "session_bytes": figures.session_bytes,
        "longest_block_ms": round(figures.longest_block_ms, 1),
        "throughput": {str(sessions): round(rate, 2) for sessions, rate in figures.throughput.items()},
        "batch_gain": round(figures.batch_gain, 2),
        "failures": figures.failures,
        "max_sessions": figures.max_sessions,
    }


def _number(factor: float) -> float | None:
    return None if math.isinf(factor) else round(factor, 4)


def _report(name: str, verdicts: Sequence[Verdict], figures: Figures) -> list[str]:
    lines = [f"contract of {name}"]
    lines += [f"  {_mark(verdict)}  {verdict.promise}{_because(verdict)}" for verdict in verdicts]
    lines += [
        "",
        f"load          {figures.load_s:.2f} s, {figures.load_bytes / 1e6:.0f} MB",
        f"alone         {_alone(figures)}",
        f"a session     {figures.session_bytes / 1e6:.1f} MB",
        f"event loop    held for {figures.longest_block_ms:.0f} ms at most{_advice(figures)}",
        "together      " + ", ".join(f"{rate:.1f} s/s at {n}" for n, rate in figures.throughput.items()),
        f"batch gain    {figures.batch_gain:.2f}",
        f"max_sessions  {figures.max_sessions} of those who always speak, {HEADROOM:.0%} left{_lag(figures)}",
    ]
    return lines if not figures.failures else [*lines, f"failed        {figures.failures} calls while it was measured"]


def _mark(verdict: Verdict) -> str:
    return "kept  " if verdict.reason is None else "BROKEN"


def _because(verdict: Verdict) -> str:
    return "" if verdict.reason is None else f": {verdict.reason}"


def _alone(figures: Figures) -> str:
    if math.isinf(figures.real_time_factor):
        return "nothing was heard: not one call went well"
    return f"{figures.real_time_factor:.3f} s for a second of audio, {figures.cpu_factor:.3f} s of CPU"


def _advice(figures: Figures) -> str:
    return ": compute in a thread, or in a process" if figures.longest_block_ms > _BLOCK_MS else ""


def _lag(figures: Figures) -> str:
    return "" if figures.max_sessions else ": it cannot keep up with one"
