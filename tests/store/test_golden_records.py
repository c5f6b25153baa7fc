"""Directory records as each release has written them: read for ever, and written as the newest file says.

A record that is written differently needs a new file in `golden`, of this script's making; none is ever changed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from earful.store.records import VERSION, Codec
from earful.store.values import Card, Entry, Notice, Peer

GOLDEN = sorted((Path(__file__).parent / "golden").glob("records-*.json"), key=lambda path: int(path.stem[8:]))
VALUES: dict[str, Entry | Notice | Peer] = {
    "entry": Entry("mUdhXL0uVTc0B9Bp9w3r2g", "a-tenant", 3, 1_732_470_000.5, b'{"chunks":7}'),
    "notice of a loss": Notice("mUdhXL0uVTc0B9Bp9w3r2g", 2),
    "notice of an end": Notice("mUdhXL0uVTc0B9Bp9w3r2g"),
    "peer": Peer(
        "w7h2", 12, {"finals": 3, "load": 0.5}, b"\x00\xff", Card(1, "http://127.0.0.1:9001", "0.1.0", 1_732_470_000.25)
    ),
}


def written() -> dict[str, Any]:
    """Each value's record."""
    return {name: msgspec.json.decode(Codec(type(value)).write(value)) for name, value in VALUES.items()}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_release_is_read(path: Path) -> None:
    """Each record says what it said then."""
    records = msgspec.json.decode(path.read_bytes())
    read = {name: Codec(type(VALUES[name])).read(msgspec.json.encode(record)) for name, record in records.items()}
    assert VALUES == read


def test_this_release_writes_as_its_file_says() -> None:
    """Under the version that is the file's name."""
    assert written() == msgspec.json.decode(GOLDEN[-1].read_bytes())
    assert f"records-{VERSION}" == GOLDEN[-1].stem


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(msgspec.json.format(msgspec.json.encode(written())) + b"\n")
