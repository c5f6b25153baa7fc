"""The table: a row a step, and the server's columns only where they are known."""

from __future__ import annotations

import io

from rich.console import Console
from tests.support.figures import FULL, figures, quantiles, trouble

from earful.bench.figures import Beside, Figures
from earful.bench.table import notes_of, table_of


def lines(*steps: Figures) -> list[list[str]]:
    """The table's words, line by line."""
    out = io.StringIO()
    Console(file=out, width=160).print(table_of(steps))
    return [line.split("  ") for line in out.getvalue().splitlines()]


def cells(line: list[str]) -> list[str]:
    """Without the space between them."""
    return [cell.strip() for cell in line if cell.strip()]


def test_a_row_has_a_steps_figures() -> None:
    """Times in ms; what is not known is a dash."""
    heading, good, silent = lines(figures(100, 50.0, refused=2), figures(200, spoken=0))
    assert ["streams", "chunk ms", "p50 ms", "p95 ms", "p99 ms", "max ms"] == cells(heading)[:6]
    assert ["100", "100", "50.0", "50.0", "50.0", "50.0", "100.00%", "0", "0", "2", "1.0"] == cells(good)
    assert ["200", "100", "-", "-", "-", "-", "0.00%", "0", "0", "0", "1.0"] == cells(silent)


def test_a_known_server_has_columns() -> None:
    """CPU, CPU a chunk, memory."""
    heading, row = lines(figures(server=FULL))
    assert ["CPU %", "us/chunk", "MB"] == cells(heading)[-3:]
    assert ["50.0", "40.0", "80.0"] == cells(row)[-3:]


def test_what_was_beside_the_streams_has_a_line() -> None:
    """Each, and what went wrong with it."""
    idle = Beside(number=12, trouble=trouble())
    handshakes = Beside(number=500.0, trouble=trouble(http_503=1), latency=quantiles(2.0, 2.0))
    assert [] == notes_of(figures())
    assert [
        "12 idle sessions stayed",
        "2 handshakes, 500 a second: p50 2.0, p99 2.0 ms (1 refused with HTTP 503)",
        "30.0 KB a session, 50.0 MB before",
    ] == notes_of(figures(idle=idle, handshakes=handshakes, server=FULL))
