"""PocketSphinx itself, with the model of its wheel: words with times, decoders that go from hand to hand."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.sounds import speech

from earful.models.loading import load_model
from earful.models.pocketsphinx import PocketSphinx
from earful.models.types import SessionInfo

if TYPE_CHECKING:
    from earful.models.types import TranscriptResult

MS = 32


async def began(*, words: bool = False) -> PocketSphinx:
    """An object of the model, as a worker would make it."""
    model = load_model("pocketsphinx", {})
    await model.load()
    made = model.create()
    assert isinstance(made, PocketSphinx)
    await made.open(SessionInfo("s", words=words))
    return made


async def heard(model: PocketSphinx, audio: bytes, step_ms: int = 100) -> tuple[str, TranscriptResult]:
    """One utterance: its fragments together, and its final."""
    fragments = [
        (await model.transcribe_chunk(audio[at : at + step_ms * MS])).text for at in range(0, len(audio), step_ms * MS)
    ]
    return "".join(fragments), await model.finalize()


def test_words_have_times_and_confidences() -> None:
    """In order, within the utterance; fillers and second pronunciations are no words."""

    async def main() -> None:
        model = await began(words=True)
        fragments, final = await heard(model, speech()[14_900 * MS : 18_800 * MS])  # The clearest of its sentences.
        assert {"she", "read", "and"} & set(final.text.split())
        assert fragments
        assert final.text.split() == [word.word for word in final.words]
        edges = [edge for word in final.words for edge in (word.start_ms, word.end_ms)]
        assert sorted(edges) == edges
        assert 0 <= edges[0] <= edges[-1] <= 3_900
        assert all(0 <= word.confidence <= 1 for word in final.words)

    asyncio.run(main())


def test_a_decoder_goes_from_hand_to_hand() -> None:
    """What it heard before does not show; two open utterances have one each; an end without audio needs none."""

    async def main() -> None:
        one, audio = await began(), speech(1.0)
        _, first = await heard(one, audio)
        other = PocketSphinx()
        assert "" == (await other.finalize()).text
        assert 1 == len(PocketSphinx._idle)
        await one.transcribe_chunk(speech(0.5))
        assert 0 == len(PocketSphinx._idle)
        assert first == (await heard(other, audio, step_ms=7))[1]
        await one.finalize()
        assert 2 == len(PocketSphinx._idle)

    asyncio.run(main())


def test_what_others_said_does_not_show() -> None:
    """A decoder that has heard another speaker hears what a new one hears: of this audio it once did not."""

    async def main() -> list[str]:
        model = await began()
        return [
            (await heard(model, speech(4.0)[start:end]))[1].text
            for start, end in ((64_000, 128_000), (0, 64_000), (64_000, 128_000))
        ]

    first, _, again = asyncio.run(main())
    assert first == again
