"""A supervisor in a process of its own with workers that only play a part: `python -m tests.support.troupe PART N`.

Its log is JSON on stderr, with a `starting` line that has the port. Run by `tests.supervisor`, which waits for
log lines; what a part waits for is a signal, its line, or a file that the test writes.
"""

from __future__ import annotations

import json
import math
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from earful.supervisor.line import PRESSED, Word
from earful.supervisor.supervisor import CannotStart, Supervisor
from earful.telemetry.logs import open_log

if TYPE_CHECKING:
    from types import FrameType

    from earful.supervisor.process import Station, Work

PATIENCE_S = 15.0
END_WITHIN_S = 2.0
RETIRE_WITHIN_S = 10.0
READY_WITHIN_S = 1.0
SILENT_WITHIN_S = 2.0
RENEWED = "TROUPE_RENEWED"
"""Names in the environment the part of successors from a SIGHUP on, or `nobody`: then none is replaced."""
GATE = "TROUPE_GATE"
"""Names a FIFO in the environment: `gated` successors wait until somebody opens it for writing."""


def good(station: Station) -> int:
    """Be ready; end with 0 when told to, also where the supervisor is gone."""
    signal.signal(signal.SIGTERM, _end)
    station.line.say(Word.READY)
    _is_told(station, PATIENCE_S)
    return 0


def _is_told(station: Station, within_s: float) -> bool:
    """Whether within this time it is to retire, or the supervisor is gone; what else is heard goes to stderr."""
    until = time.monotonic() + within_s
    while (left_s := until - time.monotonic()) > 0 and select.select([station.line], [], [], left_s)[0]:
        words = [word for word, _ in station.line.take()]
        if Word.RETIRE in words or not station.line.is_open:
            return True
        for word in words:
            sys.stderr.write(json.dumps({"event": "heard", "slot": station.slot, "word": word}) + "\n")
            sys.stderr.flush()
    return False


def stubborn(station: Station) -> int:
    """Be ready, and do not end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    station.line.say(Word.READY)
    select.select([], [], [], PATIENCE_S)
    return 0


def lively(station: Station) -> int:
    """Be `good`, and say so again and again."""
    station.line.say(Word.READY)
    while not _is_told(station, SILENT_WITHIN_S / 20):
        station.line.say(Word.ALIVE)
    return 0


def mute(station: Station) -> int:
    """Be ready, and never say a word again; the successor of one that was is `lively`."""
    if station.hold_s:
        return lively(station)
    station.line.say(Word.READY)
    select.select([], [], [], PATIENCE_S)
    return 0


def leisurely(station: Station) -> int:
    """Be `good`, but take more time to retire than there is to end."""
    code = good(station)
    select.select([], [], [], 2 * END_WITHIN_S)
    return code


def late(station: Station) -> int:
    """Be `good` at first; a successor never gets ready."""
    if station.hold_s < math.inf:
        return good(station)
    select.select([], [], [], PATIENCE_S)
    return 0


def loading(station: Station) -> int:
    """Load a model that never comes; the event loop goes on meanwhile."""
    while not _is_told(station, READY_WITHIN_S / 20):
        station.line.say(Word.ALIVE)
    return 0


def wedged(station: Station) -> int:
    """Be `good` at first; one that follows is `loading` for ever."""
    return loading(station) if station.hold_s else good(station)


def gated(station: Station) -> int:
    """Be `good`; a successor only when the gate is opened."""
    if station.hold_s == math.inf:
        Path(os.environ[GATE]).read_text(encoding="utf-8")
    return good(station)


def pressed(station: Station) -> int:
    """Be `lively`, and after SIGUSR1 take nobody new in slot 1; say on stderr what is heard of room."""
    said: list[str] = []
    signal.signal(signal.SIGUSR1, lambda *_: said.append(PRESSED) if station.slot else None)
    station.line.say(Word.READY)
    while not _is_told(station, SILENT_WITHIN_S / 20):
        station.line.say(Word.ALIVE, *said[:1])
    return 0


def ill(station: Station) -> int:
    """End at once."""
    del station
    return 7


def raising(station: Station) -> int:
    """Raise what nobody foresaw."""
    raise LookupError(station.slot)


def leaving(station: Station) -> int:
    """Leave as a library would."""
    raise SystemExit(3 if station.slot == 0 else "with words")


def hopeless(station: Station) -> int:
    """Never be able to start."""
    station.line.say(Word.FAILED, "There are no weights.")
    return 2


def reluctant(station: Station) -> int:
    """Be `hopeless`, and do not end."""
    hopeless(station)
    select.select([], [], [], PATIENCE_S)
    return 2


def drained(station: Station) -> int:
    """Be asked by a client to drain everything; twice, which is once."""
    for _ in range(2):
        station.line.say(Word.DRAIN)
    return good(station)


def curious(station: Station) -> int:
    """Be `good`, and tell when the state is asked for."""
    log = open_log(form="json")
    signal.signal(signal.SIGUSR1, lambda *_: log.info("asked"))
    log.info("listening")
    return good(station)


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    os._exit(0)


LATE = (late, loading, wedged)
SILENT = (lively, pressed, mute, reluctant)
OTHERS = (good, curious, stubborn, leisurely, gated, ill, raising, leaving, hopeless, drained)
PARTS: dict[str, Work] = {part.__name__: part for part in (*LATE, *SILENT, *OTHERS)}


def main(part: str, number: str) -> int:
    """Run so many workers; the exit code."""
    log = open_log(form="json")
    listeners = [socket.create_server(("127.0.0.1", 0), reuse_port=True) for _ in range(int(number))]
    log.info("starting", port=listeners[0].getsockname()[1])
    supervisor = Supervisor(
        [[listener] for listener in listeners],
        PARTS[part],
        log,
        end_within_s=END_WITHIN_S,
        retire_within_s=RETIRE_WITHIN_S,
        ready_within_s=READY_WITHIN_S if PARTS[part] in LATE else 60,
        silent_within_s=SILENT_WITHIN_S if PARTS[part] in SILENT else 60,
        renew=lambda: PARTS.get(os.environ.get(RENEWED, part)),
    )
    try:
        return supervisor.run()
    except CannotStart as failure:
        log.info("cannot start", sentence=str(failure))
        return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
