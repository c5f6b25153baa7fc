"""Real words: Moonshine behind a real server, live and uploaded, on synthesised and on human speech."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.server import PATHS, running

from earful.samples import sample
from earful.testing import word_error_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.server import Running

pytestmark = pytest.mark.e2e

TWO_CITIES = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was
the epoch of belief, it was the epoch of incredulity, it was the season of Light, it was the season of Darkness, it was
the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were all
going direct to Heaven, we were all going direct the other way - in short, the period was so far like the present
period, that some of its noisiest authorities insisted on its being received, for good or for evil, in the superlative
degree of comparison only.
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    """A server with Moonshine, whose partials and finals nobody paces."""
    with running(model="moonshine", max_speed=0, max_buffered_ms=60_000) as found:
        yield found


def recording(name: str) -> tuple[Path, str]:
    """A file, and what is said in it: the sample, or the human recording of the model's wheel."""
    if name == "sample":
        return Path(str(sample())), sample("speech.txt").read_text("utf-8")
    spec = find_spec("moonshine_voice")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "assets" / "two_cities.wav", TWO_CITIES


def live(server: Running, path: Path) -> str:
    """What a live session hears of a file, sent as fast as it is taken."""
    command = [sys.executable, "-m", "earful", "transcribe", str(path), "--url", server.address.ws, "--fast", "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=90, env={"PYTHONPATH": ":".join(PATHS)}
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    return " ".join(message["text"] for message in messages if message["type"] == "final")


@pytest.mark.parametrize(("name", "most"), [("sample", 0.35), ("two_cities", 0.12)])
def test_words_are_right(server: Running, name: str, most: float) -> None:
    """The share of wrong words, live and uploaded, is what the model can do."""
    path, text = recording(name)
    uploaded = server.address.request("POST", "/v1/transcribe", path.read_bytes(), {"Content-Type": "audio/wav"})
    assert 200 == uploaded.status
    rates = [word_error_rate(text, heard) for heard in (uploaded.tree["text"], live(server, path))]
    assert max(rates) <= most, rates
