"""The contract that strangers import, over every model that ships or is shown.

sherpa-onnx and faster-whisper are tried over stand-ins of their runtimes, since no test has their weights.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from tests.support import sherpa_runtime, whisper_runtime
from tests.support.clock import run_virtual
from tests.support.models import loaded
from tests.support.sounds import speech

from earful.models.extra import runtime
from earful.models.moonshine import Moonshine
from earful.models.pocketsphinx import PocketSphinx, _decoder
from earful.testing import ModelContract
from earful.testing.hearing import BrokenError
from earful.testing.promises import sessions_do_not_meet

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

T = TypeVar("T")


class Short(ModelContract):
    """Two seconds of the sample: real models take their time."""

    __test__ = False

    def speech(self) -> bytes:
        """The first half of what is heard otherwise."""
        whole = super().speech()
        return whole[: len(whole) // 4 * 2]


class Quick(ModelContract):
    """In virtual time: these sleep and do not compute."""

    __test__ = False

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run `main` where sleeping takes no time."""
        return run_virtual(main)


class TestMock(Quick):
    """The mock."""

    __test__ = True
    model = "mock"


class TestPlainMock(Quick):
    """The mock with an object a session."""

    __test__ = True
    model = "earful.models.mock:MockASRModel"


class TestLoudness(Quick):
    """The example."""

    __test__ = True
    model = "loudness_model:Loudness"


class TestMoonshine(Short):
    """Moonshine itself."""

    __test__ = True
    model = "moonshine"


class TestPocketSphinx(Short):
    """PocketSphinx itself."""

    __test__ = True
    model = "pocketsphinx"


class Vigilant(Moonshine):
    """As it once was: with the library's own voice detector, whose state goes from one call to the next."""

    @classmethod
    def load(cls, *_: object, **__: object) -> None:
        """Load the weights, with the library's defaults."""
        super().load()
        library = runtime("moonshine_voice", extra="moonshine")
        cls._transcriber = library.Transcriber(str(library.get_model_path("tiny-en")), library.ModelArch.TINY)

    def __init__(self) -> None:
        super().__init__()


class Impressed(PocketSphinx):
    """As it once was: what a decoder has heard of noise stays."""

    def _started(self) -> Any:
        decoder = self._idle.pop() if self._idle else _decoder(self._config)
        decoder.set_cmn(self._means)
        decoder.start_utt()
        return decoder


@pytest.mark.parametrize("model_class", [Vigilant, Impressed])
def test_what_once_went_from_session_to_session_is_found(model_class: type[Any]) -> None:
    """Both were found late, by other means."""

    async def main() -> None:
        model = loaded(model_class)
        await model.load()
        with pytest.raises(BrokenError, match=r"(after|beside) another session"):
            await sessions_do_not_meet(model, speech(4.0))

    asyncio.run(main())


class TestSherpaOnnxStandIn(ModelContract):
    """The adapter of sherpa-onnx over a stand-in of its runtime."""

    model = "sherpa-onnx"

    @pytest.fixture(autouse=True)
    def _stand_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "sherpa_onnx", sherpa_runtime.module)
        monkeypatch.setattr(type(self), "options", {"folder": str(tmp_path)})
        for name in ("tokens.txt", "encoder.onnx", "decoder.onnx", "joiner.onnx"):
            (tmp_path / name).touch()


class TestFasterWhisperStandIn(ModelContract):
    """The adapter of faster-whisper over a stand-in of its runtime."""

    model = "faster-whisper"

    @pytest.fixture(autouse=True)
    def _stand_in(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "faster_whisper", whisper_runtime.module)
        monkeypatch.setattr(type(self), "options", {"folder": str(tmp_path)})
