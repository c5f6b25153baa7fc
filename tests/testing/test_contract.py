"""The contract finds what it is for: each way to break it is found, by the promise that it breaks."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.clock import run_virtual
from tests.support.models import loaded
from tests.support.sounds import speech

from earful.models.mock import MockASRModel
from earful.models.mock_batch import MockBatchModel
from earful.models.types import SessionInfo, TranscriptResult, Word
from earful.testing import ModelContract, Verdict, judge
from earful.testing.hearing import BrokenError
from earful.testing.promises import PROMISES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from earful.models.types import Step


class Sound(MockASRModel):
    """Nothing wrong with it."""

    async def close(self) -> None:
        """Do nothing, well."""


class Raises(MockASRModel):
    """Its calls fail."""

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Fail."""
        raise OSError(f"no device for {len(audio)} bytes")


class Shy(MockASRModel):
    """Calls its finals fragments."""

    async def finalize(self) -> TranscriptResult:
        """The utterance, under a wrong name."""
        return TranscriptResult((await super().finalize()).text, is_final=False)


class Babbling(MockASRModel):
    """Answers words that are none."""

    async def finalize(self) -> TranscriptResult:
        """The utterance, and a word that ends before it begins."""
        return TranscriptResult((await super().finalize()).text, True, (Word("a", 5, 3, 1.0),))


class Backwards(MockASRModel):
    """Tells its words, the last first."""

    async def finalize(self) -> TranscriptResult:
        """The utterance, with two words."""
        answer = await super().finalize()
        return TranscriptResult(answer.text, True, (Word("b", 500, 600, 1.0), Word("a", 100, 200, 1.0)))


class Foreseeing(MockASRModel):
    """Tells words that nobody has said yet."""

    async def finalize(self) -> TranscriptResult:
        """The utterance, with a word of a minute later."""
        answer = await super().finalize()
        return TranscriptResult(answer.text, True, (Word("a", 60_000, 60_100, 1.0),))


class Chunky(MockASRModel):
    """Says a word a call."""

    said = 0

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """A word, however much is heard."""
        self.said += 1
        return await super().transcribe_chunk(audio)

    async def finalize(self) -> TranscriptResult:
        """As many words as calls."""
        text, self.said = "a" * self.said, 0
        await super().finalize()
        return TranscriptResult(text, is_final=True)


class Remembering(MockASRModel):
    """Says all it ever heard."""

    before = ""

    async def finalize(self) -> TranscriptResult:
        """This utterance and those before."""
        self.before += (await super().finalize()).text
        return TranscriptResult(self.before, is_final=True)


class Leaky(MockASRModel):
    """All objects are one."""

    heard: list[bytes] = []  # noqa: RUF012 - this is what is wrong with it

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Hear, for everybody."""
        self.heard.append(audio)
        return TranscriptResult("", is_final=False)

    async def finalize(self) -> TranscriptResult:
        """Say how much anybody said."""
        text = str(len(b"".join(self.heard)))
        self.heard.clear()
        return TranscriptResult(text, is_final=True)


class Startled(MockASRModel):
    """After whoever whispered it hears a word too many, whoever it was."""

    whispered = False

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Hear."""
        self.loudest = max(*memoryview(audio).cast("h"), getattr(self, "loudest", 0))
        return await super().transcribe_chunk(audio)

    async def finalize(self) -> TranscriptResult:
        """The utterance, and what is left of one before."""
        text = (await super().finalize()).text + " hm" * type(self).whispered
        type(self).whispered = 0 < self.__dict__.pop("loudest", 0) < 1000
        return TranscriptResult(text, is_final=True)


class Proud(MockASRModel):
    """Wants to be heard."""

    async def open(self, info: SessionInfo) -> None:
        """Be ready for an end only after audio."""
        await super().open(info)
        self.has_heard = False

    async def transcribe_chunk(self, audio: bytes) -> TranscriptResult:
        """Hear."""
        self.has_heard = True
        return await super().transcribe_chunk(audio)

    async def finalize(self) -> TranscriptResult:
        """Raise ZeroDivisionError where nothing was said."""
        _ = 1 / self.has_heard
        return await super().finalize()


class Careless(MockBatchModel):
    """Answers in the order it likes."""

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """The last first."""
        return list(reversed(await super().step(batch)))


class Short(MockBatchModel):
    """Leaves one out."""

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """All but one."""
        return (await super().step(batch))[1:]


class Failing(MockBatchModel):
    """Gives up on whoever ends."""

    async def step(self, batch: Sequence[Step]) -> list[TranscriptResult | Exception]:
        """An exception for each end."""
        answers = await super().step(batch)
        return [OSError("full") if item.end else answer for item, answer in zip(batch, answers, strict=True)]


def broken(model_class: type[Any]) -> dict[str, str]:
    """The promises that a model breaks, with their reasons."""

    async def main() -> list[Verdict]:
        model = loaded(model_class)
        await model.load()
        return await judge(model, speech(2.0))

    verdicts = run_virtual(main())
    assert [promise.__name__.replace("_", " ") for promise in PROMISES] == [verdict.promise for verdict in verdicts]
    return {verdict.promise: verdict.reason for verdict in verdicts if verdict.reason is not None}


@pytest.mark.parametrize("model_class", [Sound, MockASRModel, MockBatchModel])
def test_sound_models_keep_it(model_class: type[Any]) -> None:
    """Plain or batch."""
    assert {} == broken(model_class)


@pytest.mark.parametrize(
    ("model_class", "promise", "reason"),
    [
        (Raises, "answers are transcripts", "a chunk raised OSError: no device for 3200 bytes"),
        (Shy, "answers are transcripts", "the end answered is_final False"),
        (Babbling, "answers are transcripts", "the end: a word's times"),
        (Backwards, "answers are transcripts", "the end: a word begins before the one that it follows"),
        (Foreseeing, "answers are transcripts", "the end: a word begins after all that was heard"),
        (Chunky, "cutting changes nothing", "the same audio is 'a', and in chunks of 100 ms 'aaaa"),
        (Remembering, "an end begins anew", "as a session's second utterance"),
        (Leaky, "sessions do not meet", "beside another session"),
        (Startled, "sessions do not meet", "after another session"),
        (Leaky, "a session may break off", "after a session that broke off"),
        (Proud, "little is borne", "the end raised ZeroDivisionError"),
        (Careless, "sessions do not meet", "beside another session"),
        (Short, "answers are transcripts", "step: a step of 1 must answer as many results, not 0"),
        (Failing, "answers are transcripts", "the end failed with OSError: full"),
    ],
)
def test_what_is_broken_is_found(model_class: type[Any], promise: str, reason: str) -> None:
    """By its promise, with the reason."""
    assert reason in broken(model_class)[promise]


def test_a_call_that_never_ends_is_broken() -> None:
    """After half a minute, of virtual time here."""
    assert "a chunk took longer than 30 s" == broken(Endless)["answers are transcripts"]


class Endless(MockASRModel):
    """Takes its time."""

    def __init__(self) -> None:
        super().__init__(latency_ms=31_000)


class ShyContract(ModelContract):
    """As a stranger would write it; not collected itself, for it fails."""

    __test__ = False
    model = f"{__name__}:Shy"


def test_pytest_fails_where_a_promise_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class that pytest collects raises what the promise raises, and has a test of each promise."""
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__, SimpleNamespace(Shy=Shy)))
    with pytest.raises(BrokenError, match="is_final False"):
        ShyContract().test_answers_are_transcripts()
    tests = {name.removeprefix("test_") for name in vars(ModelContract) if name.startswith("test_")}
    assert {promise.__name__ for promise in PROMISES} == tests
