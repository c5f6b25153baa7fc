"""What a need comes to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.capacities import GRID, point

from earful.planning.around import NothingHeldError
from earful.planning.capacity import Capacity, Scaling
from earful.planning.estimate import Need, estimate


def test_a_need_in_all_its_figures() -> None:
    """Ten thousand that speak all the time, at a thousand a worker with three tenths left."""
    found = estimate(Need(sessions=10_000), GRID)
    assert (15, 1000, 666.7) == (found.workers, found.streams_per_worker, round(found.sessions_per_worker, 1))
    assert (8.0, 1212.5) == (round(found.cores_busy or 0, 6), found.memory_mb)
    assert (1 / 3, 2 / 7) == pytest.approx((found.headroom, found.headroom_degraded))
    assert 10_000 / 300 == found.starts_per_s
    assert pytest.approx(15 + 15 * 23 + 10_000 / 300) == found.redis_things_per_s
    assert (3615, 199) == (round(found.in_mbit_per_s), round(found.out_mbit_per_s))
    assert (102.0, []) == (found.p99_ms, found.at_least)
    assert (1, 14.5) == (found.redis_nodes, round(found.redis_memory_mb, 1))


@pytest.mark.parametrize(
    ("sessions", "headroom", "nodes"), [(1_000_000, 0.0, 1), (1_000_000, 0.3, 2), (10_000_000, 0.3, 14)]
)
def test_a_redis_that_would_need_more_than_its_core_is_a_cluster(sessions: int, headroom: float, nodes: int) -> None:
    """Of as many as leave what is to be left."""
    assert nodes == estimate(Need(sessions=sessions, headroom=headroom), GRID).redis_nodes


def test_points_that_may_hold_more_are_told() -> None:
    """And what was held to nothing is no plan's to use."""
    bound = Capacity(points=[point(streams=25, is_refusal_bound=True), point(200, streams=0)])
    found = estimate(Need(sessions=10), bound)
    assert found.at_least[0].startswith("100 ms, duty 1: by its own limits the server refused")
    late = estimate(Need(sessions=10), Capacity(points=[point(is_generator_bound=True)]))
    assert ([1, 1], True, False) == (
        [len(it.at_least) for it in (found, late)],
        found.is_refusal_bound,
        late.is_refusal_bound,
    )
    with pytest.raises(NothingHeldError):
        estimate(Need(sessions=10, chunk_ms=150), bound)


def test_silent_sessions_have_their_audio_acknowledged_too() -> None:
    """So that out is more than answers: by two packets for the three of a chunk."""
    calm = Capacity(points=[point(answers_per_s=0.0)])
    assert 10 * 2 * 52 * 1000 * 8 / 1e6 == pytest.approx(estimate(Need(sessions=1000), calm).out_mbit_per_s)


def test_what_nobody_measured_is_not_known() -> None:
    """And not guessed."""
    blind = Capacity(points=[point(cpu_pct=None, base_mb=None)])
    found = estimate(Need(sessions=10), blind)
    assert (None, None, None) == (found.cores_busy, found.memory_mb, found.worst_memory_mb)


def test_memory_is_as_was_seen_and_at_worst_what_was_ever_seen() -> None:
    """By what a session takes where a worker is to hold more than was looked at."""
    kept = Capacity(points=[point(held_mb=130.0, worst_mb=480.0)])
    found = estimate(Need(sessions=10_000), kept)
    assert (15 * 130.0, 15 * 480.0) == (found.memory_mb, found.worst_memory_mb)
    reckoned = estimate(Need(sessions=10_000), GRID)
    assert 15 * (60 + 1000 * 32 / 1024) == pytest.approx(reckoned.worst_memory_mb)


def test_cores_are_as_many_as_a_worker_may_keep_busy() -> None:
    """One; more where it was seen to use more, by more than a tenth of one."""
    found = [estimate(Need(sessions=10, spare=0), Capacity(points=[point(cpu_pct=it)])) for it in (90.0, 104.0, 380.0)]
    assert [1, 1, 4] == [it.cores for it in found]


def test_what_lies_beyond_the_file_is_told() -> None:
    """The need as it is, and how many workers it came to."""
    found = estimate(Need(sessions=100_000, duty=0.1, chunk_ms=300), GRID)
    assert ["chunk 300", "duty 0.1", "workers 48"] == [
        it.split(" (")[0].removesuffix(" ms") for it in found.beyond_measured
    ]


def test_a_few_sessions_have_a_spare_worker_too() -> None:
    """Unless none is wanted."""
    assert [2, 1, 4] == [estimate(Need(sessions=10, spare=spare), GRID).workers for spare in (1, 0, 3)]


def test_workers_that_hold_less_together_are_more() -> None:
    """Until they do."""
    scaled = Capacity(points=GRID.points, scaling=[Scaling(10, 0.8)])
    assert 18 == estimate(Need(sessions=10_000), scaled).workers


FEW = Capacity(points=[point(streams=1), point(duty=0.4, streams=3)])


@pytest.mark.parametrize(
    ("capacity", "sessions", "duty", "workers", "holds"),
    [
        (FEW, 200, 0.6, 286, 1),
        (FEW, 200, 0.4, 96, 3),
        (Capacity(points=[point(streams=49)]), 49, 1.0, 2, 49),
        (Capacity(points=[point(streams=3)], scaling=[Scaling(2, 0.9)]), 10, 1.0, 8, 2),
    ],
)
def test_a_worker_holds_whole_sessions(
    capacity: Capacity, sessions: int, duty: float, workers: int, holds: int
) -> None:
    """Of 1.8 it takes one, and what is left is reckoned with that."""
    found = estimate(Need(sessions=sessions, duty=duty), capacity)
    assert (workers, holds) == (found.workers, found.streams_per_worker)
    assert 1 - sessions / (workers * holds) == pytest.approx(found.headroom)
    assert 1 - sessions / ((workers - 1) * holds) == pytest.approx(found.headroom_degraded)


@pytest.mark.parametrize(
    ("capacity", "sessions", "said"),
    [
        (Capacity(points=[point(20, streams=1), point(100)]), 1, "a worker holds 0.44 of a session"),
        (Capacity(points=[point(10, streams=1)], scaling=[Scaling(2, 0.9)]), 50, "each of 72 workers holds 0.9 of"),
    ],
)
def test_less_than_a_session_is_none(capacity: Capacity, sessions: int, said: str) -> None:
    """There is nothing to plan with, however many workers there are."""
    with pytest.raises(NothingHeldError, match=f"with 10 ms chunks at duty 1 {said}"):
        estimate(Need(sessions=sessions, chunk_ms=10), capacity)


def test_binary_frames_save_a_quarter() -> None:
    """Of what comes in."""
    text, binary = (estimate(Need(sessions=1000, is_binary=it), GRID).in_mbit_per_s for it in (False, True))
    assert 0.74 < binary / text < 0.76


@given(st.integers(1, 1_000_000), st.floats(0.4, 1), st.floats(0, 0.8), st.integers(0, 5))
def test_the_sessions_fit_with_what_is_to_be_left(sessions: int, duty: float, headroom: float, spare: int) -> None:
    """Also where the spare ones are gone, and one worker fewer would be too few."""
    need = Need(sessions=sessions, duty=duty, headroom=headroom, spare=spare)
    found = estimate(need, GRID)
    assert found.headroom >= headroom - 1e-9
    assert found.headroom_degraded >= -1e-9
    assert (found.cores_busy or 0) <= found.workers * (1 - headroom) + 1e-6
    fewer = found.workers - 1
    holds = found.streams_per_worker
    assert sessions > fewer * holds * (1 - headroom) - 1e-6 or sessions > (fewer - spare) * holds - 1e-6
