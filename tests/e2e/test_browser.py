"""The page of `examples/browser` in a real Chromium: its core beside the Python one, a file over faults, a voice."""

from __future__ import annotations

import random
import signal
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec
import pytest
from tests.scenario.journey import Journey
from tests.session.talk import LIMITS
from tests.support.chromium import Browser, chromium, pages
from tests.support.raw import connected
from tests.support.redis_server import free_port
from tests.support.server import ROOT, Address, running
from tests.support.sounds import wav
from tests.support.speech import SENTENCE, SPEECH, expected, pieces, silence

from earful.client.core import Speaker
from earful.errors import ERRORS, ErrorCode
from earful.protocol.messages import AudioChunk, ClientMessage, Partials, ServerMessage, Start

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

PAGE = ROOT / "examples" / "browser"
SECRET = {"EARFUL_SECRET": "of all"}
FINALS = """[...document.querySelectorAll("#finals li:not([hidden])")].map((line) => {
    const { index, startMs, endMs, reason } = line.dataset;
    return [Number(index), line.querySelector("span").textContent, Number(startMs), Number(endMs), reason];
})"""
PLAY = """
const { Speaker } = await import("/speaker.js");
const [start, steps] = values, speaker = new Speaker(start);
return steps.map(([name, value]) => {
    if (name === "speak") value = new Uint8Array(value);
    const answer = speaker[name](value) ?? null, plain = (said) => said.data ? { ...said, data: [...said.data] } : said;
    return [
        Array.isArray(answer) ? answer.map(plain) : answer, speaker.finals.map(({ index }) => index),
        Object.fromEntries(speaker.fragments), speaker.cursor, speaker.isComplete, speaker.isPromised,
    ];
});
"""


@contextmanager
def window(**options: Any) -> Iterator[tuple[Browser, str]]:
    """A browser, and where the example is served."""
    with pages(PAGE) as url, chromium(**options) as browser:
        yield browser, url


def opened(browser: Browser, page: str, server: Address) -> None:
    """Show the page, set to this server."""
    browser.go(f"{page}/?server={quote(server.ws)}")


def finals(browser: Browser) -> list[tuple[int, str, int, int, str]]:
    """What the page shows."""
    return [tuple(row) for row in browser.run(f"return {FINALS}")]


# The core


class Noted(Speaker):
    """The Python core, and everything it was told and answered."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self.steps: list[tuple[str, Any]] = []
        self.answers: list[list[Any]] = []

    def speak(self, data: bytes) -> None:
        """Note it."""
        super().speak(data)
        self._note("speak", list(data))

    def flush(self, flush_id: str) -> None:
        """Note it."""
        super().flush(flush_id)
        self._note("flush", flush_id)

    def stop(self) -> None:
        """Note it."""
        super().stop()
        self._note("stop")

    def connected(self) -> None:
        """Note it."""
        super().connected()
        self._note("connected")

    def lost(self) -> None:
        """Note it."""
        super().lost()
        self._note("lost")

    def receive(self, message: ServerMessage) -> bool:
        """Note it."""
        has_moved_on = super().receive(message)
        self._note("receive", msgspec.to_builtins(message), has_moved_on)
        return has_moved_on

    def take_messages(self) -> list[ClientMessage]:
        """Note it."""
        messages = super().take_messages()
        self._note("takeMessages", None, [plain(message) for message in messages])
        return messages

    def _note(self, name: str, value: object = None, answer: object = None) -> None:
        fragments = {str(index): text for index, text in self.fragments.items()}
        self.steps.append((name, value))
        self.answers.append(
            [answer, [final.index for final in self.finals], fragments, self.cursor, self.is_complete, self.is_promised]
        )


def plain(message: ClientMessage) -> Any:
    """A message as the page's core has it: what is not said is left out."""
    if isinstance(message, AudioChunk):
        return {"type": "audio_chunk", "sequence": message.sequence, "data": list(message.data)}
    tree: dict[str, Any] = msgspec.to_builtins(message)
    return {name: value for name, value in tree.items() if value is not None and name != "protocol"}


def journey(seed: int) -> Noted:
    """A session over drops at random, with flushes among the audio."""
    chance = random.Random(seed)  # noqa: S311 - the same every time
    partials: Partials = chance.choice(("fragment", "cumulative", "off"))
    chunks = [bytes(piece) for piece in pieces(SENTENCE, 12_800)]
    script: list[bytes | None] = [part for chunk in chunks for part in ([chunk, None][: chance.randint(1, 2)])]
    limits = replace(LIMITS, max_chunk_ms=chance.choice((10_000, 150)))
    trip = Journey(script, Start(partials=partials, token="who I am"), limits=limits)  # noqa: S106 - nobody's
    trip.speaker = noted = Noted(Start(partials=partials, token="who I am"))  # noqa: S106 - nobody's
    trip.run([chance.randint(5, 120) for _ in range(6)], chance)
    return noted


def test_the_pages_core_is_the_python_core() -> None:
    """Told the same, over drops, flushes and replays, both say, keep and forget the same at every step."""
    trips = [journey(seed) for seed in range(8)]
    with window() as (browser, page):
        browser.go(page)
        for noted in trips:
            start = {"partials": noted._start.partials, "token": noted._start.token}
            answers = browser.run(PLAY, start, noted.steps)
            for step, mine, its in zip(noted.steps, noted.answers, answers, strict=True):
                assert mine == its, step[0]


def test_what_a_close_means() -> None:
    """Each code of the protocol page has its advice; waits grow, vary, and never exceed five seconds."""
    ask = """const { finality, waitMs } = await import("/speaker.js"), [codes, tries] = values;
        return [codes.map((code) => !finality(code)), tries.map((nth) => waitMs(1006, nth, undefined, 1)),
            waitMs(4201, 0, undefined, 1), waitMs(4201, 1, undefined, 0), waitMs(1013, 0, 3000, 0),
            waitMs(1012, 0, undefined, 0.5), waitMs(4108, 0, undefined, 0)]"""
    going_on = [1001, 1005, 1006, 1011, 1012, 1013, 4004, 4108, 4201, 4208]
    over = [1000, 1002, 1003, 1007, 1008, 1009, 4001, 4003, 4008, 4010, 4999]
    with window() as (browser, page):
        browser.go(page)
        advice = browser.run(ask, [*going_on, *over], [0, 1, 2, 3, 4, 5, 6, 99])
    assert [True] * len(going_on) + [False] * len(over) == advice[0]
    assert [[10, 50, 250, 500, 1000, 2000, 5000, 5000], 0, 25, 3000, 500, 2500] == advice[1:]


# The page


def test_a_file_over_a_kill_and_a_drain(tmp_path: Path) -> None:
    """The server goes twice in the middle; the page ends with the finals of an undisturbed run, and says so."""
    recording = tmp_path / "speech.wav"
    recording.write_bytes(wav(SPEECH))
    port = free_port()
    with window() as (browser, page):
        opened(browser, page, Address(port))
        browser.run("document.querySelector('#speed').value = 4")
        for enough, number, exit_code in ((1, signal.SIGKILL, -signal.SIGKILL), (3, signal.SIGTERM, 0)):
            with running(port=port, env=SECRET, exit_code=exit_code) as server:
                if number == signal.SIGKILL:
                    browser.type("#file", str(recording))
                browser.await_true(f"{FINALS}.length >= {enough} && document.querySelector('#fragments').textContent")
                server.signal(number)
                assert exit_code == server.exit_code()
                browser.await_true("document.querySelector('#state').dataset.state === 'lost'")
        with running(port=port, env=SECRET):
            browser.await_true("document.querySelector('#state').dataset.state === 'finished'")
        assert expected(SPEECH) == finals(browser)
        assert "All is heard. The connection was lost 2 time(s), and no word with it." == browser.text("#state")


def test_a_microphone(tmp_path: Path) -> None:
    """What it hears becomes a sentence; after Stop all is heard, and nothing went wrong in the page."""
    recording = tmp_path / "sentence.wav"
    recording.write_bytes(wav(SENTENCE + silence(1000)))
    with running() as server, window(microphone=recording) as (browser, page):
        opened(browser, page, server.address)
        browser.click("#speak")
        browser.await_true(f"{FINALS}.length >= 1")
        browser.click("#stop")
        browser.await_true("document.querySelector('#state').dataset.state === 'finished'")
        assert finals(browser)[0][1]
        said = browser.log()
    assert [] == said


def test_a_server_that_is_full(tmp_path: Path) -> None:
    """The page repeats what it says, comes again when told to, and loses nothing by it."""
    recording = tmp_path / "sentence.wav"
    recording.write_bytes(wav(SENTENCE))
    with running(max_sessions=1, max_speed=0) as server, window() as (browser, page):
        with connected(server.address):
            opened(browser, page, server.address)
            browser.type("#file", str(recording))
            browser.await_true("document.querySelector('#state').dataset.state === 'lost'")
            told = browser.text("#state")
        browser.await_true("document.querySelector('#state').dataset.state === 'finished'")
        assert expected(SENTENCE) == finals(browser)
        assert "All is heard." == browser.text("#state")
    assert told.startswith(ERRORS[ErrorCode.SESSION_LIMIT].text)


def test_a_file_that_is_no_audio(tmp_path: Path) -> None:
    """The page says so, and can be used again."""
    recording = tmp_path / "speech.wav"
    recording.write_bytes(b"not a sound")
    with running() as server, window() as (browser, page):
        opened(browser, page, server.address)
        browser.type("#file", str(recording))
        browser.await_true("document.querySelector('#state').dataset.state === 'ended'")
        assert not browser.run("return document.querySelector('#speak').disabled")
