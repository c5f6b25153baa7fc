"""Moonshine itself, with the weights of its wheel: real words, heard off the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest
from tests.support.sounds import speech

from earful.models.loading import ModelLoadError, load_model
from earful.models.moonshine import Moonshine
from earful.models.types import SessionInfo

MS = 32


async def begun() -> Moonshine:
    """An object of the model, as a worker would make it."""
    model = load_model("moonshine", {})
    await model.load()
    made = model.create()
    assert isinstance(made, Moonshine)
    await made.open(SessionInfo("s"))
    return made


async def beat(beats: list[None]) -> None:
    """Note each millisecond in which the loop goes on."""
    while True:
        await asyncio.sleep(0.001)
        beats.append(None)


def test_a_sentence_is_understood_and_the_loop_goes_on() -> None:
    """Fragments come before the end, and nothing else waits for the model."""

    async def main() -> None:
        model, audio, beats = await begun(), speech(3.6), list[None]()
        fragments = [
            (await model.transcribe_chunk(audio[at : at + 100 * MS])).text for at in range(0, len(audio), 100 * MS)
        ]
        beating = asyncio.create_task(beat(beats))
        cpu_s = time.process_time()
        final = await model.finalize()
        cpu_s = time.process_time() - cpu_s
        beating.cancel()
        assert "was quiet when the first boat" in final.text.casefold()
        assert "was" in "".join(fragments).casefold()
        # Of the time that it computes, not that it waits for a processor: 150 ms here, a beat in 10 of them at least.
        assert cpu_s / 0.01 < len(beats)

    asyncio.run(main())


def test_what_others_said_does_not_show() -> None:
    """The same audio is the same text, whoever spoke before: the library's voice detector would remember."""

    async def main() -> list[str]:
        model, audio = await begun(), speech()
        texts = []
        for before_ms in ((0, 3_300), (4_000, 7_900), (8_400, 11_000)):
            model.recognise(audio[before_ms[0] * MS : before_ms[1] * MS])
            texts.append(model.recognise(audio[19_450 * MS : 22_200 * MS]).text)
        return texts

    texts = asyncio.run(main())
    assert texts[:1] * 3 == texts


@pytest.mark.parametrize("options", [{"folder": "/nowhere"}, {"architecture": "HUGE"}])
def test_weights_that_are_not_there_are_one_sentence(options: dict[str, object]) -> None:
    """Before the first session."""
    with pytest.raises(ModelLoadError, match='"moonshine" could not be loaded: '):
        asyncio.run(load_model("moonshine", options).load())
