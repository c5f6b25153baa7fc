"""Cursors as each release has signed them: they are read for ever, and this release signs as its newest file says.

A cursor that is signed differently needs a new file in `golden`, of this script's making; none is ever changed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from earful.audio.pcm import Encoding
from earful.protocol.cursor import Cursor, Position
from earful.protocol.seal import SIGNATURE_BYTES, Seal, _keyed, _signature, _unwritten, _written

SECRET = b"the golden secret"
SEAL = Seal((SECRET,))
GOLDEN = sorted((Path(__file__).parent / "golden").glob("cursors-*.json"))
CURSORS = {
    "at the beginning": Cursor("mUdhXL0uVTc0B9Bp9w3r2g", 1_732_470_000),
    "in speech": Cursor(
        "mUdhXL0uVTc0B9Bp9w3r2g",
        1_732_470_000,
        "a-tenant",
        Encoding.MULAW,
        8_000,
        2,
        "en",
        "cumulative",
        words=True,
        position=Position(144_000, 3_199, 230_400_000, inside_speech=True, index=4_000),
    ),
}


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_release_is_read(path: Path) -> None:
    """Each cursor says what it said then."""
    signed = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    assert CURSORS == {name: SEAL.read(text) for name, text in signed.items()}


def test_this_release_signs_as_its_file_says() -> None:
    """Byte for byte."""
    assert {name: SEAL.sign(cursor) for name, cursor in CURSORS.items()} == msgspec.json.decode(GOLDEN[-1].read_bytes())


@pytest.mark.parametrize("cursor", CURSORS.values(), ids=CURSORS)
def test_the_next_release_is_read(cursor: Cursor) -> None:
    """What it appended to a cursor, and to the position in it, is passed over."""
    said = msgspec.msgpack.decode(_unwritten(SEAL.sign(cursor))[:-SIGNATURE_BYTES])
    *head, position = said
    content = msgspec.msgpack.encode([*head, [*position, "more"], "and more"])
    assert cursor == SEAL.read(_written(content + _signature(_keyed(SECRET), content)))


if __name__ == "__main__":
    signed = {name: SEAL.sign(cursor) for name, cursor in CURSORS.items()}
    Path(sys.argv[1]).write_bytes(msgspec.json.format(msgspec.json.encode(signed)) + b"\n")
