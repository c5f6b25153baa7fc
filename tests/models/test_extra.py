"""A runtime that is not installed is one sentence, which says how it comes."""

from __future__ import annotations

import math
import sys

import pytest
from tests.support.clock import run_virtual

from earful.models.extra import RuntimeMissingError, runtime
from earful.models.loading import SHIPPED, ModelLoadError, load_model

RUNTIMES = {
    "faster-whisper": "faster_whisper",
    "moonshine": "moonshine_voice",
    "pocketsphinx": "pocketsphinx",
    "sherpa-onnx": "sherpa_onnx",
}


def test_what_is_there_is_imported() -> None:
    """As a module."""
    assert math is runtime("math", extra="none")


def test_what_is_not_there_has_a_way_to_come() -> None:
    """Also where it is itself there and lacks another."""
    with pytest.raises(RuntimeMissingError, match=r'pip install "earful\[some\]" \(no_such_runtime is missing\)'):
        runtime("no_such_runtime.part", extra="some")


@pytest.mark.parametrize("name", sorted(set(SHIPPED) - {"mock"}))
def test_every_shipped_name_says_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The name alone is found without its runtime; loading it is refused in one sentence."""
    folder = tmp_path_factory.mktemp("weights")
    for file in ("tokens.txt", "encoder.onnx", "decoder.onnx", "joiner.onnx"):
        (folder / file).touch()
    monkeypatch.setitem(sys.modules, RUNTIMES[name], None)
    model = load_model(name, {} if name in {"moonshine", "pocketsphinx"} else {"folder": str(folder)})
    with pytest.raises(ModelLoadError, match="its runtime is not installed") as caught:
        run_virtual(model.load())
    assert (
        f'The model "{name}" could not be loaded: its runtime is not installed: '
        f'pip install "earful[{name}]" ({RUNTIMES[name]} is missing).' == str(caught.value)
    )
