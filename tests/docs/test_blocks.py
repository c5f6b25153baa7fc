"""Every `sh` and `console` block of README and docs is run, or listed with its reason in blocks.toml.

A block runs in a folder that looks like a checkout with a `recording.wav` and the page's named Python files, beside a
server where it starts none. What is replaced says `Shell.run`; in an expected output `...` stands for anything.
"""

from __future__ import annotations

import ast
import doctest
import os
import re
import signal
import subprocess
import sys
import tomllib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests.docs.pages import PAGES, ROOT, blocks
from tests.docs.test_readme import first_sentence
from tests.support.server import LogLines, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOT_RUN = {
    (entry["page"], entry["first"]): entry["reason"]
    for entry in tomllib.loads((ROOT / "tests" / "docs" / "blocks.toml").read_text("utf-8"))["block"]
}
CHECKOUT = ("bench", "deploy", "docs", "examples", "src")
PLENTY_S = 40
COMMAND_S = 15
BASH = "/bin/bash"
SECRET = "EARFUL_SECRET=0123456789abcdef0123456789abcdef"  # noqa: S105 - a stand-in
_PORT = re.compile(r"(?<=127\.0\.0\.1:)\d{4}\b|(?<=-port )\d{4}\b")


@dataclass(frozen=True)
class Block:
    """One block: its page, and its commands with the output that is expected of each, if any is."""

    page: Path
    commands: tuple[tuple[str, str], ...]

    @property
    def key(self) -> tuple[str, str]:
        """Page and first line."""
        return self.page.relative_to(ROOT).as_posix(), self.commands[0][0]

    @property
    def serves(self) -> bool:
        """Whether it starts servers of its own."""
        return any(map(is_server, (command for command, _ in self.commands)))


def is_server(command: str) -> bool:
    """Whether a command serves until it is ended."""
    return "earful serve" in command.partition("#")[0]


def all_blocks() -> Iterator[Block]:
    """Of README and docs, page by page."""
    for page in PAGES:
        for text in blocks(page, "sh"):
            yield Block(page, tuple((line, "") for line in text.splitlines() if line.strip()))
        for text in blocks(page, "console"):
            parts = re.split(r"^\$ (.+)\n", text, flags=re.MULTILINE)[1:]
            yield Block(page, tuple(zip(parts[::2], parts[1::2], strict=True)))


RUN = [block for block in all_blocks() if block.key not in NOT_RUN]


@dataclass
class Shell:
    """Runs the commands of one block, in a folder."""

    folder: Path
    ports: dict[str, int]
    servers: list[tuple[subprocess.Popen[str], LogLines]] = field(default_factory=list)

    def run(self, command: str) -> str:
        """What it prints; raises where it fails or takes too long. One that serves is awaited until it is ready.

        Replaced are ports, by free ones or the server's, and `EARFUL_SECRET=...`; curl fails where it is answered with
        an error, and `earful transcribe` is told where the server is.
        """
        command = _PORT.sub(lambda port: str(self.ports.get(port[0], 0)), command).replace("EARFUL_SECRET=...", SECRET)
        if is_server(command):
            self._serve(f"exec env {command}")
            return ""
        command = command.replace("curl ", "curl --fail-with-body ")
        if command.startswith("earful transcribe") and "--url" not in command:
            command += f" --url ws://127.0.0.1:{self.ports['8000']}"
        return subprocess.run(
            [BASH, "-euc", command],
            cwd=self.folder,
            env=self._env,
            timeout=COMMAND_S,
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def close(self) -> None:
        """End what serves; it drains, and ends with 0."""
        for process, log in self.servers:
            process.send_signal(signal.SIGTERM)
            assert (0, "") == (process.wait(COMMAND_S), "" if process.returncode == 0 else log.text)
            log.join()

    def kill(self) -> None:
        """Leave nothing behind, whatever happened."""
        for process, _ in self.servers:
            process.kill()
            process.wait()

    def _serve(self, command: str) -> None:
        process = subprocess.Popen(
            [BASH, "-euc", command], cwd=self.folder, env=self._env, stderr=subprocess.PIPE, text=True
        )
        assert process.stderr is not None
        log = LogLines(process.stderr)
        self.servers.append((process, log))
        log.wait_for("ready", COMMAND_S)

    @property
    def _env(self) -> dict[str, str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
        return {**kept, "PATH": path, "NO_PROXY": "127.0.0.1", "EARFUL_PORT": "0"}


def furnish(folder: Path, page: Path) -> None:
    """Make the folder look like a checkout with a recording in it, and the Python files that the page names."""
    for name in CHECKOUT:
        (folder / name).symlink_to(ROOT / name)
    first_sentence(folder / "recording.wav")
    for text in blocks(page, "python"):
        if named := re.match(r"# (\w+\.py)\n", text):
            (folder / named[1]).write_text(text, "utf-8")
    (folder / "bin").mkdir()
    program = folder / "bin" / "earful"
    program.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}/src:$PYTHONPATH" exec "{sys.executable}" -m earful "$@"\n')
    program.chmod(0o755)


@pytest.mark.e2e
@pytest.mark.timeout(PLENTY_S)
@pytest.mark.parametrize("block", RUN, ids=lambda block: " ".join(block.key))
def test_a_block_does_what_it_says(block: Block, tmp_path: Path) -> None:
    """Each command ends well, and prints what the page says."""
    furnish(tmp_path, block.page)
    with ExitStack() as stack:
        server = None if block.serves else stack.enter_context(running()).address.port
        shell = Shell(tmp_path, {} if server is None else dict.fromkeys(("8000", "9000", "9001"), server))
        stack.callback(shell.kill)
        for command, expected in block.commands:
            printed = shell.run(command)
            assert not expected or fits(expected, printed), f"{command}\n{printed}\nis not\n{expected}"
        shell.close()


def fits(expected: str, printed: str) -> bool:
    """Whether an output is the expected one; `...` stands for anything, space for any space."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected, printed, flags)


def test_an_output_that_differs_is_found() -> None:
    """The comparison can fail."""
    assert (True, False) == (fits('{"a":1,...}\n', '{"a":1,"b":2}\n'), fits('{"a":1,...}\n', '{"a":2,"b":2}\n'))


def test_what_is_not_run_is_there_and_has_a_reason() -> None:
    """No entry without its block, none without a word."""
    assert set() == NOT_RUN.keys() - {block.key for block in all_blocks()}
    assert all(len(reason.split()) > 3 for reason in NOT_RUN.values())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_stand_in_blocks(page: Path) -> None:
    """One that is only indented would not be found here."""
    begin = r"^    (?:earful|curl|make|pip|python|docker|helm|kubectl|taskset|[A-Z_]+=)\b.*$"

    assert [] == re.findall(
        begin, re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL), re.MULTILINE
    )


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_compiles(page: Path) -> None:
    """Each block, awaits at its top included."""
    for text in blocks(page, "python"):
        compile(text, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
