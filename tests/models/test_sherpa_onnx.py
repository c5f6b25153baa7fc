"""The sherpa-onnx adapter over a stand-in of its runtime: the weights are large, and no test has them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from tests.support import sherpa_runtime
from tests.support.clock import run_virtual
from tests.support.sounds import speech

from earful.models.sherpa_onnx import Hearing, SherpaOnnx
from earful.models.types import SessionInfo, Step
from earful.models.voice import Voice

if TYPE_CHECKING:
    from pathlib import Path

FILES = ("tokens.txt", "encoder-99.onnx", "encoder-99.int8.onnx", "decoder-99.onnx", "joiner-99.onnx")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder of weights, and the runtime that reads them."""
    monkeypatch.setitem(sys.modules, "sherpa_onnx", sherpa_runtime.module)
    for name in FILES:
        (tmp_path / name).touch()
    return str(tmp_path)


def loaded(folder: str, **options: Any) -> SherpaOnnx:
    """The model as a worker has it."""
    SherpaOnnx.load(folder, **options)
    return SherpaOnnx(folder, **options)


def recognizer(model: SherpaOnnx) -> sherpa_runtime.OnlineRecognizer:
    """The stand-in below."""
    found: Any = model._recognizer
    assert isinstance(found, sherpa_runtime.OnlineRecognizer)
    return found


def test_the_folder_s_files_are_used(folder: str) -> None:
    """Of two precisions the finer."""
    made_with = recognizer(loaded(folder, threads=3, provider="cuda")).made_with
    names = [path.rpartition("/")[2] for path in made_with["files"]]
    assert ["tokens.txt", "encoder-99.onnx", "decoder-99.onnx", "joiner-99.onnx"] == names
    assert (3, "cuda") == (made_with["num_threads"], made_with["provider"])


def test_a_folder_that_holds_no_model_is_refused(tmp_path: Path) -> None:
    """Before the runtime ends the process over it."""
    (tmp_path / "tokens.txt").touch()
    with pytest.raises(FileNotFoundError, match="there is no folder /nowhere"):
        SherpaOnnx.load("/nowhere")
    with pytest.raises(ValueError, match=r"must hold one \*encoder\*.onnx, and holds 0"):
        SherpaOnnx.load(str(tmp_path))


def test_streams_are_decoded_together(folder: str) -> None:
    """All of a step at once, each with its own text; fragments make the final."""

    async def main() -> None:
        model = loaded(folder)
        audios = [speech(1.0), speech(2.0)[32_000:]]
        items = [Step(audio[:8000], end=False, session=SessionInfo(str(n))) for n, audio in enumerate(audios)]
        first = await model.step(items)
        assert [2, 2] == recognizer(model).steps
        for item, audio in zip(items, audios, strict=True):
            item.audio, item.end = audio[8000:], True
        last = await model.step(items)
        for audio, fragment, final in zip(audios, first, last, strict=True):
            expected = Voice(1).hear(audio)
            assert (expected, True) == (final.text, final.is_final)  # type: ignore[union-attr]
            assert expected.startswith(fragment.text + " ")  # type: ignore[union-attr]
        assert [None, None] == [item.memory for item in items]

    run_virtual(main())


def test_a_text_that_changes_is_left_to_the_final() -> None:
    """Nothing that was told is taken back."""
    hearing = Hearing(None)
    assert ["a", " b", "", " c"] == [hearing.tell(text) for text in ("a", "a b", "x b", "a b c")]
