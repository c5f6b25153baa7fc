"""How long a closing connection may take: bounded, and longer for a peer that takes what it is owed."""

from __future__ import annotations

from earful.transport.farewell import LINGER_S, UNSENT_LINGER_S, Farewell, Farewells


def ends_at(unsent_bytes: list[int]) -> float | None:
    """When a farewell begun at 0 is over, looked at every second with so much unsent; None where it never was."""
    farewell = Farewell(0.0, unsent_bytes[0])
    return next((float(now) for now, unsent in enumerate(unsent_bytes) if farewell.is_over(float(now), unsent)), None)


def test_a_peer_that_answers_nothing_has_little_time() -> None:
    """With everything taken or not."""
    assert LINGER_S == ends_at([0] * 10) == ends_at([1000] * 10)


def test_a_peer_that_takes_what_it_is_owed_has_more() -> None:
    """As long as there is progress from look to look."""
    assert 3 * LINGER_S == ends_at([1000, 900, 800, 700, 600, 600, 600, 600, 600])


def test_no_peer_has_for_ever() -> None:
    """However slowly it goes on."""
    assert UNSENT_LINGER_S == ends_at(list(range(1000, 0, -1)))


class Leaver:
    """A closing connection."""

    unsent_bytes = 0

    def __init__(self) -> None:
        self.is_dropped = False

    def abort(self) -> None:
        """Be dropped."""
        self.is_dropped = True


def test_each_has_its_time_from_the_sweep_that_first_sees_it() -> None:
    """Added again it has no more of it; discarded, it is let alone."""
    slow, late, gone = Leaver(), Leaver(), Leaver()
    farewells = Farewells()
    farewells.add(slow)
    farewells.add(gone)
    farewells.sweep(0.0)
    farewells.add(slow)
    farewells.add(late)
    farewells.discard(gone)
    farewells.discard(gone)
    farewells.sweep(LINGER_S)
    assert [True, False, False] == [one.is_dropped for one in (slow, late, gone)]
