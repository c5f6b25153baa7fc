"""A model is examined in a process of its own: it may crash it, end it, or never let go of it, and that is told."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import pytest
from tests.support.sounds import speech

from earful.models.loading import ModelLoadError
from earful.models.mock import MockASRModel
from earful.testing.examination import EndedError, examine
from earful.testing.promises import PROMISES


class Unruly(MockASRModel):
    """Does what its option says when it is loaded, or when it hears."""

    def __init__(self, deed: str = "", at: str = "hear") -> None:
        super().__init__(latency_ms=1)
        self._deed = deed if at == "hear" else ""

    @classmethod
    def load(cls, deed: str = "", at: str = "hear") -> None:
        """Do it, if it is to be now."""
        if at == "load":
            DEEDS[deed]()

    async def transcribe_chunk(self, audio: bytes) -> Any:
        """Do it, if it is to be now."""
        if self._deed:
            DEEDS[self._deed]()
        return await super().transcribe_chunk(audio)


def end_well() -> None:
    """As if nothing had happened."""
    os._exit(0)


def hold() -> None:
    """The loop, and the lock of the interpreter most of the time."""
    while True:
        pass


def say() -> None:
    """Print, as models do; and to the descriptor, as runtimes in C do."""
    sys.stdout.write("loading\n")
    os.write(1, b"loaded\n")


def sleep() -> None:
    """For a minute."""
    time.sleep(60)


DEEDS = {"abort": os.abort, "end well": end_well, "hold": hold, "say": say, "sleep": sleep, "exit": sys.exit}
NAME = f"{__name__}:Unruly"


@pytest.mark.parametrize("at", ["load", "hear"])
@pytest.mark.parametrize(("deed", "how"), [("abort", "SIGABRT"), ("end well", "exit code 0")])
def test_a_model_that_ends_its_process_is_told_of(deed: str, at: str, how: str) -> None:
    """Also where it says that all is well."""
    with pytest.raises(EndedError, match=f"ended the process in which it was tried: {how}"):
        examine(NAME, {"deed": deed, "at": at}, speech(1.0))


def test_one_that_never_lets_go_of_the_event_loop_is_ended(capfd: pytest.CaptureFixture[str]) -> None:
    """And shows where it stands."""
    with pytest.raises(EndedError, match="exit code 1"):
        examine(NAME, {"deed": "hold"}, speech(1.0), held_s=3.0)
    assert " in hold\n" in capfd.readouterr().err


def test_one_that_is_never_loaded_is_given_up() -> None:
    """In the time there is for all."""
    with pytest.raises(EndedError, match="was not through after 2 s"):
        examine(NAME, {"deed": "sleep", "at": "load"}, speech(1.0), within_s=2.0)


def test_what_a_model_prints_is_not_in_the_report(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes to standard error, all of it: also what Python has yet to write when the process ends."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    verdicts, figures = examine(NAME, {"deed": "say", "at": "load"}, speech(1.0))
    assert [None] * len(PROMISES) == [verdict.reason for verdict in verdicts]
    assert (0, True) == (figures.failures, figures.max_sessions > 0)
    out, err = capfd.readouterr()
    assert ("", True, True) == (out, "loading\n" in err, "loaded\n" in err)


def test_one_that_cannot_be_loaded_says_why() -> None:
    """In the sentence that a server says."""
    with pytest.raises(ModelLoadError, match=r'The model ".*:Unruly" could not be loaded: SystemExit'):
        examine(NAME, {"deed": "exit", "at": "load"}, speech(1.0))
