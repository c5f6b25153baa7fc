"""A worker's identity: an id of its own."""

from __future__ import annotations

from earful.service.identity import Identity


def test_no_two_workers_have_one_id() -> None:
    """Nor one and its successor in the same slot."""
    assert Identity(1, 2).id != Identity(1, 2).id


def test_one_worker_is_alone() -> None:
    """Of several none is."""
    assert Identity().is_alone
    assert not Identity(0, 2).is_alone
