"""Docker's engine where one can be had, and containers that end with their scope.

Guarantees that every call has a deadline, and that an engine that was started here is stopped again. Used by
`image.py`. Run by itself, which needs Python alone, it builds the image, so that `image.py` finds it built.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from report import progress

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
BASE: Final = "python:3.11-slim-bookworm"
TAG: Final = "earful:checked"
STARTER: Final = "CONTAINER_ENGINE"
"""Names a program that starts an engine (`PROGRAM up IMAGE`, which provides the image too, and `PROGRAM down`)."""
ASK_WITHIN_S = 20.0
START_WITHIN_S = 300.0
PULL_WITHIN_S = 120.0
BUILD_WITHIN_S = 600.0
_LOOK_EVERY_S = 0.02


class NoEngineError(Exception):
    """Nothing here runs containers; the text says why."""


@dataclass(frozen=True, slots=True)
class Container:
    """One that was started."""

    id: str

    def state(self) -> dict[str, Any]:
        """What the engine knows of how it is."""
        state: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.id))
        return state

    def wait_until_healthy(self, within_s: float) -> float:
        """Until its own check has passed; the seconds from its making on, by the engine. Raises TimeoutError."""
        began = time.monotonic()
        while (state := self.state())["Health"]["Status"] != "healthy":
            if time.monotonic() - began > within_s or not state["Running"]:
                raise TimeoutError(f"the container is not healthy: {state}\n{self.log()}")
            time.sleep(_LOOK_EVERY_S)
        passed = next(look["End"] for look in state["Health"]["Log"] if look["ExitCode"] == 0)
        made = docker("inspect", "--format", "{{.Created}}", self.id).strip()
        return (datetime.fromisoformat(passed) - datetime.fromisoformat(made)).total_seconds()

    def stop(self, grace_s: int) -> int:
        """`docker stop`; its exit code."""
        docker("stop", "--time", str(grace_s), self.id, within_s=grace_s + ASK_WITHIN_S)
        return int(self.state()["ExitCode"])

    def kill(self) -> None:
        """`docker kill`."""
        docker("kill", self.id)

    def run(self, *command: str) -> str:
        """What a command inside says, on either stream; also where it fails."""
        return docker("exec", self.id, *command, is_checked=False)

    def log(self) -> str:
        """All that it wrote."""
        return docker("logs", self.id)


@contextmanager
def engine() -> Iterator[None]:
    """An engine that has the base image, until the scope ends. Raises NoEngineError."""
    with ExitStack() as stack:
        if not (_answers() and _has_base()):
            starter = _starter()
            if starter is None:
                raise NoEngineError(f"no container engine here has {BASE} or gets it")
            if not _answers():
                stack.callback(_stop, starter)
            progress("starting a container engine")
            try:
                _call(starter, "up", BASE, within_s=START_WITHIN_S)
            except (OSError, RuntimeError, subprocess.TimeoutExpired) as error:
                raise NoEngineError(f"no container engine could be started: {error}") from error
        yield


def _stop(starter: str) -> None:
    """Stop the engine, and wait until it is gone: who comes next must not meet it while it goes."""
    _call(starter, "down", within_s=ASK_WITHIN_S, is_checked=False)
    deadline = time.monotonic() + ASK_WITHIN_S
    while _answers() and time.monotonic() < deadline:
        time.sleep(_LOOK_EVERY_S)


def build() -> None:
    """Build the image from the checkout."""
    what = ("--build-arg", f"BASE={BASE}", "--network=host", "--tag", TAG, "--file", "deploy/Dockerfile", ".")
    docker("build", "--quiet", *what, within_s=BUILD_WITHIN_S)


@contextmanager
def running(*flags: str, **settings: object) -> Iterator[Container]:
    """A container with these settings, on the machine's own network, until the scope ends."""
    env = [word for name, value in settings.items() for word in ("--env", f"EARFUL_{name.upper()}={value}")]
    container = Container(docker("run", "--detach", "--network=host", *flags, *env, TAG).strip())
    try:
        yield container
    finally:
        docker("rm", "--force", "--volumes", container.id, is_checked=False)


def docker(*arguments: str, within_s: float = ASK_WITHIN_S, is_checked: bool = True) -> str:
    """What the command says. Raises RuntimeError with that where it fails, TimeoutExpired where it takes too long."""
    return _call("docker", *arguments, within_s=within_s, is_checked=is_checked)


def _answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return _succeeds("info", within_s=ASK_WITHIN_S)


def _has_base() -> bool:
    is_here = _succeeds("image", "inspect", BASE, within_s=ASK_WITHIN_S)
    return is_here or _succeeds("pull", "--quiet", BASE, within_s=PULL_WITHIN_S)


def _succeeds(*arguments: str, within_s: float) -> bool:
    try:
        docker(*arguments, within_s=within_s)
    except (RuntimeError, subprocess.TimeoutExpired):
        return False
    return True


def _starter() -> str | None:
    """What starts an engine: the one that is named, else one that lies beside the checkout."""
    beside = ROOT.parent / "shared" / "docker" / "engine"
    return os.environ.get(STARTER) or (str(beside) if beside.is_file() else None)


def _call(*command: str, within_s: float, is_checked: bool = True) -> str:
    done = subprocess.run(  # noqa: S603 - the engine's command, with our own arguments
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=within_s, check=False, cwd=ROOT
    )
    if done.returncode and is_checked:
        raise RuntimeError(f"{' '.join(command)} ends with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def main() -> int:
    """Build the image; the exit code, 0 also where there is no engine."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # So that a build is not left behind.
    try:
        with engine():
            build()
    except NoEngineError as error:
        print(f"The image is not built: {error}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
