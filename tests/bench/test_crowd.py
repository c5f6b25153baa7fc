"""The crowd: sessions that come, speak, stay, and leave."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from tests.support.far_end import answering, in_time
from tests.support.speech import SPEECH

from earful.bench.crowd import Crowd, Manner
from earful.bench.dialer import Dialer
from earful.bench.recording import Recording

RECORDING = Recording(SPEECH, 20)
QUICK = Manner(joining_per_s=200, speaking_s=0.2, keepalive_every_s=0.2)


def kinds(said: list[dict[str, Any]]) -> Counter[str]:
    """How often which message."""
    return Counter(message["type"] for message in said)


def test_they_start_speak_and_stay_alive() -> None:
    """Each says `start`, its chunks in order, and then only that it is there."""

    async def main() -> None:
        async with answering() as there:
            crowd = Crowd(10, RECORDING, 0.02, Dialer(there.url, "127.0.0.1"), QUICK)
            async with crowd.gathered():
                assert 10 == len(crowd)
                await there.until(lambda: all(kinds(said)["keepalive"] > 2 for said in there.heard))
            assert 0 == len(crowd)
            assert "" == crowd.tally.sentence()
        for said in there.heard:
            audio = [message["sequence"] for message in said if message["type"] == "audio_chunk"]
            assert list(range(1, 11)) == audio
            assert "start" == said[0]["type"]
            assert {"start", "audio_chunk", "keepalive"} == kinds(said).keys()

    in_time(main())


def test_they_speak_with_voices_of_their_own() -> None:
    """Nobody's audio is another's."""

    async def main() -> None:
        async with answering() as there, Crowd(5, RECORDING, 0.02, Dialer(there.url, "127.0.0.1"), QUICK).gathered():
            pass
        firsts = [next(message["data"] for message in said if message["type"] == "audio_chunk") for said in there.heard]
        assert 5 == len(set(firsts))

    in_time(main())


def test_who_is_refused_is_counted() -> None:
    """The others come all the same."""

    async def main() -> None:
        async with answering(refuse=lambda nth: nth < 2) as there:
            crowd = Crowd(5, RECORDING, 0.02, Dialer(there.url, "127.0.0.1"), QUICK)
            async with crowd.gathered():
                assert (3, "2 refused with HTTP 503") == (len(crowd), crowd.tally.sentence())

    in_time(main())


def test_who_stops_the_gathering_leaves_nobody_behind() -> None:
    """Ctrl-C while they still come."""

    async def main() -> None:
        async with answering() as there:
            crowd = Crowd(1000, RECORDING, 0.02, Dialer(there.url, "127.0.0.1"), QUICK)

            async def gather() -> None:
                async with crowd.gathered():
                    raise AssertionError("they cannot all be here yet")

            gathering = asyncio.create_task(gather())
            await there.until(lambda: len(crowd) > 0)
            gathering.cancel()
            await asyncio.wait([gathering])
            assert gathering.cancelled()
            assert 0 == len(crowd)

    in_time(main())
