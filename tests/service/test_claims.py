"""What one worker knows of its sessions: the greatest attempt has each, and what was deleted never comes back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from earful.protocol.messages import MAX_SEQUENCE
from earful.service.claims import LocalClaims
from earful.session.claim import Claim, Verdict

GRANTED, SUPERSEDED, DELETED = Verdict


def claim(attempt: int, session_id: str = "a", life_s: float = 100.0) -> Claim:
    """One attempt at a session."""
    return Claim(session_id, "", attempt, life_s)


def test_the_larger_attempt_has_the_session() -> None:
    """From the start, which is 0; one that is not larger changes nothing. Others' sessions are granted at sight."""
    claims = LocalClaims(lambda: 0.0)
    attempts = [0, 0, 1, 1, 0, 7, 6, MAX_SEQUENCE, MAX_SEQUENCE]
    verdicts = [claims.claim(claim(attempt)) for attempt in attempts]
    assert [GRANTED, SUPERSEDED, GRANTED, SUPERSEDED, SUPERSEDED, GRANTED, SUPERSEDED, GRANTED, SUPERSEDED] == verdicts
    assert GRANTED is claims.claim(claim(3, "from elsewhere"))


def test_a_deleted_session_cannot_be_resumed() -> None:
    """Whether it was known here or not."""
    claims = LocalClaims(lambda: 0.0)
    claims.claim(claim(0))
    claims.delete(claim(0))
    claims.learn_deleted("b", 100.0)
    assert [DELETED] * 2 == [claims.claim(claim(5, session_id)) for session_id in "ab"]


def test_notes_go_when_the_cursors_are_dead() -> None:
    """Oldest first, whenever one is made."""
    now = 0.0
    claims = LocalClaims(lambda: now)
    claims.claim(claim(0, "a", 10))
    claims.delete(claim(0, "b", 20))
    claims.claim(claim(0, "c", 30))
    counts = []
    for now in (9.9, 10, 20, 40):
        claims.claim(claim(0, f"at {now}", 100))
        counts.append(len(claims))
    assert [4, 4, 4, 4] == counts


def test_the_last_moment_of_a_cursor_is_as_good_as_any() -> None:
    """It is noted, and gone with the next."""
    claims = LocalClaims(lambda: 0.0)
    assert [GRANTED, SUPERSEDED] == [claims.claim(claim(1, "a", 0.0)), claims.claim(claim(1, "a", 0.0))]
    claims.claim(claim(0, "b"))
    assert 1 == len(claims)


def test_there_is_a_greatest_number_of_notes() -> None:
    """The one that was noted longest ago is forgotten; one that is noted again is as new."""
    claims = LocalClaims(lambda: 0.0, max_notes=2)
    for session_id, attempt in (("a", 0), ("b", 0), ("a", 1), ("c", 0)):
        claims.claim(claim(attempt, session_id))
    assert 2 == len(claims)
    assert [SUPERSEDED, GRANTED] == [claims.claim(claim(0, session_id)) for session_id in "ab"]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5) | st.just(MAX_SEQUENCE))))
def test_granted_attempts_only_rise(asked: list[tuple[str, int]]) -> None:
    """For each session by itself."""
    claims = LocalClaims(lambda: 0.0)
    granted: dict[str, list[int]] = {"a": [], "b": []}
    for session_id, attempt in asked:
        if claims.claim(claim(attempt, session_id)) is GRANTED:
            granted[session_id].append(attempt)
    assert all(sorted(set(attempts)) == attempts for attempts in granted.values())
    greatest = {session_id: max((n for s, n in asked if s == session_id), default=None) for session_id in "ab"}
    assert greatest == {session_id: attempts[-1] if attempts else None for session_id, attempts in granted.items()}
