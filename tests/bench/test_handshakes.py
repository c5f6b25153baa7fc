"""Handshakes at a rate: each counted, with its time or its reason."""

from __future__ import annotations

import pytest
from tests.support.far_end import answering, far_end, in_time

from earful.bench.dialer import Dialer
from earful.bench.handshakes import Handshakes


def test_as_many_are_made_as_wanted() -> None:
    """A hundred a second for a fifth of one, and nobody is lost by leaving."""

    async def main() -> None:
        async with answering() as there:
            handshakes = Handshakes(100, Dialer(there.url, "127.0.0.1"))
            await handshakes.run(0.2)
            assert (20, "") == (handshakes.latencies.count(), handshakes.tally.sentence())
            assert 0 < handshakes.latencies.max_s < 5

    in_time(main())


def test_failures_are_counted_by_reason() -> None:
    """Refused, or nobody there any more."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth % 2 == 0) as there:
            handshakes = Handshakes(100, Dialer(there.url, "127.0.0.1"))
            await handshakes.run(0.1)
            assert (5, {"503": 5}) == (handshakes.latencies.count(), dict(handshakes.tally.refused))
        await handshakes.run(0.02)
        assert 2 == handshakes.tally.unreachable.total()

    in_time(main())


@pytest.mark.parametrize("rate_per_s", [0.5, 3.0])
def test_less_than_one_is_none(rate_per_s: float) -> None:
    """Of a short window."""

    async def main() -> None:
        async with far_end(lambda line: line.last()) as there:
            handshakes = Handshakes(rate_per_s, Dialer(there.url, "127.0.0.1"))
            await handshakes.run(0.1)
            assert 0 == handshakes.latencies.count()

    in_time(main())
