"""Who makes way in a lobby, and what is told of it. Real sockets, no loop."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.inside import Record

from earful.transport.lobby import TELL_EVERY_S, Guest, Lobby

if TYPE_CHECKING:
    from collections.abc import Iterator


class Visit:
    """A guest, and both ends of its connection."""

    def __init__(self, lobby: Lobby) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.ours.setblocking(False)
        self.guest = Guest(lobby, self.ours)
        self.guest.wait()

    @property
    def is_dismissed(self) -> bool:
        """Whether a loop would read the connection's end."""
        try:
            return self.ours.recv(1) == b""
        except BlockingIOError:
            return False


@contextmanager
def visits(lobby: Lobby, number: int) -> Iterator[list[Visit]]:
    """So many, one after the other."""
    came = [Visit(lobby) for _ in range(number)]
    yield came
    for visit in came:
        visit.ours.close()
        visit.theirs.close()


def test_who_has_waited_longest_makes_way() -> None:
    """Nobody else; as many stay as may."""
    lobby = Lobby("public", 3, Record())
    with visits(lobby, 5) as came:
        assert [True, True, False, False, False] == [visit.is_dismissed for visit in came]
        assert (3, True) == (len(lobby), lobby.is_full)


def test_who_has_spoken_and_was_not_read_yet_stays() -> None:
    """Those that came together with it make way, also where they came later; and somebody always does in the end."""
    lobby = Lobby("public", 2, Record())
    with visits(lobby, 2) as early:
        early[0].theirs.send(b"GET")
        with visits(lobby, 2) as late:
            assert [b"GET", b""] == [visit.ours.recv(3) for visit in early]
            assert [True, False] == [visit.is_dismissed for visit in late]
            assert 2 == len(lobby)


def test_all_may_have_spoken() -> None:
    """Then there are more for a moment; those that leave nothing to read make way for the next."""
    lobby = Lobby("public", 2, Record())
    with visits(lobby, 2) as early:
        for visit in early:
            visit.theirs.send(b"G")
        with visits(lobby, 1) as (late,):
            assert ([b"G", b"G"], 3) == ([visit.ours.recv(1) for visit in early], len(lobby))
            with visits(lobby, 1):
                assert [True, True, False] == [visit.is_dismissed for visit in (*early, late)]
                assert 2 == len(lobby)


def test_who_has_a_request_is_no_longer_there() -> None:
    """However many come after it; leaving twice, or after it made way, is leaving."""
    lobby = Lobby("public", 2, Record())
    with visits(lobby, 2) as (first, second):
        first.guest.leave()
        first.guest.leave()
        assert not lobby.is_full
        with visits(lobby, 2):
            assert [False, True] == [first.is_dismissed, second.is_dismissed]
            second.guest.leave()
            assert 2 == len(lobby)


@pytest.mark.parametrize("is_there", [True, False])
def test_who_was_answered_is_the_last(*, is_there: bool) -> None:
    """Silent from then on, whether or not it was still counted."""
    lobby = Lobby("public", 2, Record())
    with visits(lobby, 2) as (first, second):
        if not is_there:
            first.guest.leave()
        first.guest.wait()
        with visits(lobby, 1):
            assert [False, True] == [first.is_dismissed, second.is_dismissed]


def test_what_was_written_to_who_makes_way_arrives() -> None:
    """Its end alone is read."""
    lobby = Lobby("public", 1, Record())
    with visits(lobby, 2) as (first, _):
        first.ours.send(b"answer")
        assert (True, b"answer") == (first.is_dismissed, first.theirs.recv(10))


def test_a_connection_that_is_gone_can_make_way() -> None:
    """Its descriptor is another's by then, perhaps."""
    lobby = Lobby("public", 1, Record())
    with visits(lobby, 1) as (first,):
        first.ours.close()
        with visits(lobby, 1):
            assert 1 == len(lobby)


def test_the_log_is_told_how_many_and_not_each_time() -> None:
    """The first at once, then no oftener than `TELL_EVERY_S`; nothing where nobody made way."""
    log = Record()
    lobby = Lobby("public", 1, log)
    lobby.sweep(100.0)
    with visits(lobby, 3):
        lobby.sweep(100.0)
        with visits(lobby, 2):
            lobby.sweep(101.0)
            lobby.sweep(100.0 + TELL_EVERY_S)
            lobby.sweep(100.0 + 2 * TELL_EVERY_S)
    told = [(line["level"], line["listener"], line["made_way"], line["at_most"]) for line in log.events]
    assert [("warning", "public", 2, 1), ("warning", "public", 2, 1)] == told
