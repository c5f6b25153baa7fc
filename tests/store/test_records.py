"""Records: what was written is read, also by the releases before and after, and anything else is nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earful.store.records import VERSION, Codec
from earful.store.values import Card, Entry, Notice, Peer

ENTRIES, PEERS, NOTICES = Codec(Entry), Codec(Peer), Codec(Notice)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.builds(Entry, TEXTS, TEXTS, st.integers(0, 2**53 - 1), st.floats(0, 4e9), st.binary()))
def test_entries_come_back(entry: Entry) -> None:
    """Every one as it was."""
    assert entry == ENTRIES.read(ENTRIES.write(entry))


@given(
    st.builds(
        Peer,
        TEXTS,
        st.integers(0),
        st.dictionaries(TEXTS, st.integers(0, 2**53) | st.floats(0, 1e9)),
        st.binary(),
        st.builds(Card, st.integers(0), TEXTS, TEXTS, st.floats(0, 4e9)),
    )
)
def test_peers_come_back(peer: Peer) -> None:
    """Every one as it was."""
    assert peer == PEERS.read(PEERS.write(peer))


@given(st.builds(Notice, TEXTS, st.none() | st.integers(0, 2**53)))
def test_notices_come_back(notice: Notice) -> None:
    """Every one as it was."""
    assert notice == NOTICES.read(NOTICES.write(notice))


def test_the_next_release_is_read() -> None:
    """What it appended is passed over."""
    record = [VERSION + 1, ["s", "acme", 3, 0.5, "", "what is", {"new": 1}], "and more"]
    assert Entry("s", "acme", 3, 0.5) == ENTRIES.read(json.dumps(record).encode())


def test_the_last_release_is_read() -> None:
    """What it did not know has its default."""
    assert Entry("s", "acme", 3, 0.5) == ENTRIES.read(b'[1, ["s", "acme", 3, 0.5]]')
    assert Notice("s") == NOTICES.read(b'[1, ["s"]]')
    assert Peer("w", 3, {}, b"", Card()) == PEERS.read(b'[1, ["w", 3, {}, ""]]')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'[1, ["s"]]',
        b'[1, ["s", "acme", "three", 0.5]]',
        b'["1", ["s", "acme", 3, 0.5]]',
        f'[{VERSION + 2}, ["s", "acme", 3, 0.5]]'.encode(),
    ],
)
def test_anything_else_is_nothing(data: bytes) -> None:
    """Damaged, another kind, or too far ahead."""
    assert None is ENTRIES.read(data)


@given(st.binary())
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever they are."""
    for codec in (ENTRIES, PEERS, NOTICES):
        codec.read(data)
