"""The measured part of a step, from its first look to its last: time, counts, and what the server used. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from earful.bench.figures import ServerFigures

if TYPE_CHECKING:
    from earful.bench.process import Usage

_MB = 1 << 20
_KB = 1 << 10


@dataclass(frozen=True, slots=True)
class Look:
    """How it stood at `at_s`: chunks sent and answers heard so far; `usage` where a process is looked at."""

    at_s: float
    chunks: int
    answers: int
    usage: Usage | None
    sessions: int = 0
    """How many are open."""


@dataclass(frozen=True, slots=True)
class Window:
    """Between two looks."""

    begin: Look
    end: Look

    @property
    def seconds(self) -> float:
        """How long it was."""
        return self.end.at_s - self.begin.at_s

    @property
    def chunks_per_s(self) -> float:
        """Chunks sent a second."""
        return (self.end.chunks - self.begin.chunks) / self.seconds

    @property
    def answers_per_s(self) -> float:
        """Partials and finals heard a second."""
        return (self.end.answers - self.begin.answers) / self.seconds

    def server(self, before: Usage | None) -> ServerFigures:
        """What the server used; `before` is when nobody was connected."""
        if before is None or self.begin.usage is None or self.end.usage is None:
            return ServerFigures()
        cpu_s = self.end.usage.cpu_since(self.begin.usage)
        chunks = self.end.chunks - self.begin.chunks
        grown_bytes = self.end.usage.resident_bytes - before.resident_bytes
        return ServerFigures(
            cpu_pct=100 * cpu_s / self.seconds,
            cpu_us_per_chunk=cpu_s * 1e6 / chunks if chunks else None,
            resident_mb_start=before.resident_bytes / _MB,
            resident_mb_end=self.end.usage.resident_bytes / _MB,
            kb_per_session=grown_bytes / _KB / self.end.sessions if self.end.sessions else None,
        )
