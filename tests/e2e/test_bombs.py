"""Files that would be more than they are, at a real server: refused for a second of its CPU time and 64 MiB at most."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support import bombs
from tests.support.server import Running, running
from tests.support.sounds import encoded, speech, wav

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

MOST_CPU_S = 1.0
MOST_KIB = 64 * 1024
_WORD = speech(0.5)
_TOO_LARGE, _NOT_AUDIO = (413, "too_large"), (400, "not_audio")


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """One with its limits as they are by default, which has loaded all that decoding needs."""
    with running(mock_latency_ms=0) as server:
        for recording in (wav(_WORD), wav(_WORD, rate_hz=1_000), encoded(_WORD, "flac", "flac")):
            assert 200 == server.address.request("POST", "/v1/transcribe", recording).status
        yield server


def cpu_s(pid: int) -> float:
    """CPU time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_kib(pid: int) -> int:
    """The most memory that a process has had since it was told to forget that."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


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
    pid = server.process.pid
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    before_kib, before_s = most_kib(pid), cpu_s(pid)
    answer = server.address.request("POST", "/v1/transcribe", bomb)
    assert refusal == (answer.status, answer.tree["error"]["code"])
    assert most_kib(pid) - before_kib <= MOST_KIB
    assert cpu_s(pid) - before_s <= MOST_CPU_S
