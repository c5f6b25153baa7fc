"""A worker's identity: an id of its own."""

from __future__ import annotations

from earful import __version__
from earful.service.identity import Identity
from earful.store.values import Card


def test_no_two_workers_have_one_id() -> None:
    """Nor one and its successor in the same slot."""
    assert Identity(1, 2).id != Identity(1, 2).id


def test_what_a_worker_says_of_itself() -> None:
    """Where it is, what it is, since when."""
    card = Identity(1, 2, ops="http://here:9001", began_unix_s=1.5).card
    assert Card(1, "http://here:9001", __version__, 1.5) == card


def test_one_worker_is_alone() -> None:
    """Of several none is."""
    assert Identity().is_alone
    assert not Identity(0, 2).is_alone
