"""The README's commands and snippets do what it says, against a real server."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import wave
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import PROTOCOL, README, ROOT, blocks
from tests.support.server import running

from earful.protocol.codec import decode
from earful.protocol.messages import AudioChunk, Error, Final, Partial, Stop
from earful.samples import sample

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import Address

WRITTEN_FOR = "http://127.0.0.1:8000"
ENV = {**os.environ, "NO_PROXY": "127.0.0.1"}
PLENTY_S = 15


def first_sentence(path: Path) -> Path:
    """The sample's first four seconds as a file."""
    with sample().open("rb") as whole, wave.open(whole) as recording, wave.open(str(path), "wb") as cut:
        cut.setparams(recording.getparams())
        cut.writeframes(recording.readframes(4 * recording.getframerate()))
    return path


def run(command: list[str]) -> str:
    """What a command prints; raises where it fails or takes too long."""
    return subprocess.run(
        command, cwd=ROOT, env=ENV, timeout=PLENTY_S, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.e2e
def test_the_python_client_works(tmp_path: Path) -> None:
    """It is 20 lines at most, and hears partials, the sentence, and the last final."""
    (snippet,) = blocks(README, "python")
    client = tmp_path / "client.py"
    client.write_text(snippet, "utf-8")
    with running() as server:
        command = [sys.executable, str(client), str(first_sentence(tmp_path / "cut.wav")), server.address.ws]
        heard = run(command).splitlines()

    types = [line.partition(" ")[0] for line in heard]
    finals = [line for line in heard if line.startswith("final")]
    assert ["final", {"partial", "final"}, 2] == [types[-1], set(types), len(finals)]
    assert len(finals[0]) > len("final ")
    assert len(snippet.splitlines()) <= 20


@pytest.mark.e2e
def test_curl_uploads(tmp_path: Path) -> None:
    """Every curl command of README and protocol page is answered with text."""
    commands = [line for page in (README, PROTOCOL) for block in blocks(page, "sh") for line in block.splitlines()]
    cut = str(first_sentence(tmp_path / "cut.wav"))
    with running() as server:
        answers = [run(shlex.split(aimed(command, server.address, cut))) for command in commands]

    *told, captions = answers
    assert [True] * 3 == [bool(json.loads(answer)["text"]) for answer in told]
    assert captions.startswith("1\n00:00:00,")


def aimed(command: str, address: Address, recording: str) -> str:
    """A command at this server and with this recording; silent, and failing where the answer is an error."""
    command = re.sub(r"@\S+", f"@{recording}", command.replace(WRITTEN_FOR, address.http))
    return command.replace("curl", "curl --silent --show-error --fail-with-body", 1)


def test_the_page_speaks_the_protocol() -> None:
    """The types that the browser snippet says and looks for are those of the plain protocol."""
    (page,) = blocks(README, "html")
    said = [decode(json.dumps({"type": kind, "data": ""})) for kind in re.findall(r'type: "(\w+)"', page)]
    heard = re.findall(r'message\.type === "(\w+)"', page)

    assert [AudioChunk, Stop] == [type(message) for message in said]
    assert [kind.__struct_config__.tag for kind in (Partial, Final, Error)] == heard


def test_the_commands_are_there() -> None:
    """What the README calls with make can be made."""
    rules = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = re.findall(r"^ +make (\w+)", README.read_text("utf-8"), re.MULTILINE)

    assert (["demo", "serve", "test"], set()) == (named, set(named) - rules)
