"""Files that would be more than they are, at a real server: refused for a second of its CPU time and 64 MiB at most."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import bombs
from tests.support.server import Running, running
from tests.support.sounds import encoded, speech, wav
from tests.support.stuffed import STUFFED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.server import Answer

pytestmark = pytest.mark.e2e

MOST_CPU_S = 1.0
MOST_KIB = 64 * 1024
_WORD = speech(0.5)
_TOO_LARGE, _NOT_AUDIO = (413, "too_large"), (400, "not_audio")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One with its limits as they are by default, which has loaded all that decoding needs."""
    with running(is_true_start=True, mock_latency_ms=0) as server:
        for recording in (wav(_WORD), wav(_WORD, rate_hz=1_000), encoded(_WORD, "flac", "flac")):
            assert 200 == server.address.request("POST", "/v1/transcribe", recording).status
        yield server


@dataclass(slots=True)
class Cost:
    """What one process has used: its CPU time, and the most memory that was its own alone."""

    cpu_s: float = 0.0
    private_kib: int = 0

    def look(self, pid: int) -> None:
        """At a process that may have ended by now, which changes nothing."""
        with suppress(OSError, StopIteration):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            self.cpu_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            now_kib = next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty"))
            self.private_kib = max(self.private_kib, now_kib)


def children_of(pid: int) -> list[int]:
    """The processes that any thread of a process has started and that have not ended."""
    with suppress(OSError):
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _words(task / "children")]
    return []


def _words(path: Path) -> list[str]:
    return path.read_text().split()


def answered(server: Running, body: bytes) -> tuple[Answer, Cost, list[Cost]]:
    """The answer to an upload, what the worker has used for it, and what each decoding process has."""
    before, worker, forks = Cost(), Cost(), dict[int, Cost]()
    before.look(server.process.pid)
    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(server.address.request, "POST", "/v1/transcribe", body)
        while not answering.done():
            worker.look(server.process.pid)
            for fork_server in children_of(server.process.pid):
                for pid in children_of(fork_server):
                    forks.setdefault(pid, Cost()).look(pid)
    worker.look(server.process.pid)
    used = Cost(worker.cpu_s - before.cpu_s, worker.private_kib - before.private_kib)
    return answering.result(), used, list(forks.values())


@pytest.mark.parametrize(
    ("bomb", "refusal"),
    [
        (bombs.flac(14_401.0), _TOO_LARGE),
        (bombs.slow_wav(14_401), _TOO_LARGE),
        (bombs.mp4(1 << 24), _NOT_AUDIO),
        (bombs.mp4(1 << 31), _NOT_AUDIO),
        (bombs.mp4(700_000, tracks=2), _NOT_AUDIO),
        (bombs.mp4(900_000, tracks=200), _NOT_AUDIO),
        (wav(_WORD, rate_hz=200_000), _NOT_AUDIO),
        (wav(_WORD, channels=30_000), _NOT_AUDIO),
        (wav(_WORD, rate_hz=0), _NOT_AUDIO),
        (b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\xff" + _WORD, _NOT_AUDIO),
        (b"PK\3\4" + wav(_WORD), _NOT_AUDIO),
        (wav(b"", claims=0xFFFFFFFF), _NOT_AUDIO),
    ],
    ids=[
        "FLAC of hours",
        "WAV of hours",
        "MP4 table",
        "largest MP4 table",
        "MP4 tracks",
        "many MP4 tracks",
        "WAV rate",
        "WAV channels",
        "WAV rate 0",
        "RIFF chunk",
        "ZIP",
        "WAV claims",
    ],
)
def test_a_bomb_is_refused_for_next_to_nothing(server: Running, bomb: bytes, refusal: tuple[int, str]) -> None:
    """By its row of the table; the server has not been larger meanwhile, nor busy."""
    check(server, bomb, refusal)


@pytest.mark.parametrize("stuffed", STUFFED, ids=lambda stuffed: stuffed.__name__)
def test_headers_without_end_cost_no_more(server: Running, stuffed: Callable[[], bytes]) -> None:
    """Their process is refused the memory, or killed for its time; the worker has neither."""
    check(server, stuffed(), _NOT_AUDIO)


def check(server: Running, bomb: bytes, refusal: tuple[int, str]) -> None:
    """Refused with this, in no more than is promised."""
    answer, worker, forks = answered(server, bomb)
    assert refusal == (answer.status, answer.tree["error"]["code"])
    for cost in (worker, *forks):
        assert cost.private_kib <= MOST_KIB
        assert cost.cpu_s <= MOST_CPU_S
