"""The browser's client in a real Chromium, over scripted servers: silence, servers in a loop, and beginning anew."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec import UNSET
from tests.support.chromium import chromium, pages
from tests.support.far_end import in_time
from tests.support.scripted import LAST, STARTED, Heard, begin, polite, scripted
from tests.support.server import ROOT

from earful.errors import ErrorCode
from earful.protocol.messages import Ack, Final, Partial, error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.e2e

TALK = """
const { ResumingClient } = await import("/resuming-client.js"), [url, quietMs, chunks, pauseAfterFinals] = values;
const client = new ResumingClient(url, {}, { quietMs });
const until = (holds) => new Promise((done) => {
    const look = () => (holds() || client.isOver) && done();
    client.addEventListener("change", look);
    look();
});
for (const nth of chunks) {
    client.speak(new Uint8Array(3200).fill(nth));
    await until(() => client.finals.length >= pauseAfterFinals);
}
client.stop();
await until(() => false);
const { state, reason, drops } = client;
return { state, reason, drops, texts: client.finals.map(({ text }) => text) };
"""


def heard_by_page(
    *scripts: Callable[[Heard], Awaitable[None]], chunks: list[int], quiet_ms: int = 30_000, pause_after_finals: int = 0
) -> tuple[dict[str, Any], list[Heard]]:
    """What becomes of a client in a page that says these chunks and stops, and what the servers heard of it."""
    outcome: list[Any] = []

    async def main() -> None:
        async with scripted(*scripts) as here:
            with pages(ROOT / "examples" / "browser") as page, chromium() as browser:
                browser.go(page)
                said = await asyncio.to_thread(browser.run, TALK, here.url, quiet_ms, chunks, pause_after_finals)
            outcome.extend((said, here.calls))

    in_time(main(), 60)
    return outcome[0], outcome[1]


def resumed(call: Heard) -> bool:
    """Whether the connection's session was to go on."""
    return "resume" in call.messages[0]


def audio(call: Heard) -> list[int]:
    """Which chunks were said on a connection."""
    return [message["data"][0] for message in call.messages if message["type"] == "audio_chunk"]


def test_a_server_frozen_with_its_last_answers_is_noticed() -> None:
    """After `stop` nothing more is sent, and a partial is no reason to wait for ever; the next one has more time."""

    async def freeze(heard: Heard) -> None:
        await begin(heard)
        await heard.until("stop")
        await heard.say(Partial("a", 1, 1, 0, 0, 9))
        await heard.connection.wait_closed()

    said, calls = heard_by_page(freeze, polite, chunks=[1], quiet_ms=300)
    assert ("finished", 1) == (said["state"], said["drops"])
    assert [False, True] == [resumed(call) for call in calls]


def test_a_server_that_only_begins_is_given_up() -> None:
    """It is asked less and less often, and not for longer than a window."""
    limits = msgspec.structs.replace(STARTED.limits, resume_window_s=1)

    async def script(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(msgspec.structs.replace(STARTED, limits=limits))
        await heard.connection.close(1011)

    said, calls = heard_by_page(script, chunks=[1])
    assert ("ended", "No server carried the session on for 1 s.") == (said["state"], said["reason"])
    assert 3 <= len(calls) <= 12


@pytest.mark.parametrize("code", [1001, 1011, 1013, 4108, 4201, 4208])
def test_closes_after_which_it_resumes(code: int) -> None:
    """As the Python client does: with its cursor and all audio that is not done; no word is lost."""

    async def leave(heard: Heard) -> None:
        await begin(heard)
        await heard.connection.close(code)

    said, calls = heard_by_page(leave, polite, chunks=[1, 2])
    assert ("finished", 1) == (said["state"], said["drops"])
    assert ([False, True], [1, 2]) == ([resumed(call) for call in calls], audio(calls[1]))


def test_a_restart_without_hand_over_begins_anew() -> None:
    """With the audio behind the last final, which brought no cursor; what was heard before stays."""

    async def restart(heard: Heard) -> None:
        await begin(heard)
        await heard.say(Ack("c1", 1), Final("before", 1, 1, 0, 0, 9, "drain"), error(ErrorCode.DRAINING, fatal=True))
        await heard.connection.close(1012)

    said, calls = heard_by_page(restart, polite, chunks=[1, 2, 3], pause_after_finals=1)
    assert ("finished", ["before", ""]) == (said["state"], said["texts"])
    assert ([False, False], [2, 3]) == ([resumed(call) for call in calls], audio(calls[1]))


def test_a_session_that_no_server_knows_begins_anew() -> None:
    """With all the audio that the newest cursor left to be said again."""

    async def drop(heard: Heard) -> None:
        await begin(heard)
        await heard.until("audio_chunk")
        await heard.say(Final("before", 1, 1, 0, 0, 9, "silence", cursor="c1", keep_from=2))
        await heard.hang_up()

    async def refuse(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(error(ErrorCode.RESUME_FAILED, fatal=True))
        await heard.connection.close(4004)

    async def end(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(STARTED)
        await heard.until("stop")
        await heard.say(msgspec.structs.replace(LAST, text="after"))

    said, calls = heard_by_page(drop, refuse, end, chunks=[1, 2, 3])
    assert ("finished", ["before", "after"]) == (said["state"], said["texts"])
    assert [False, True, False] == [resumed(call) for call in calls]
    assert [2, 3] == audio(calls[2])


def test_a_server_that_takes_only_shorter_chunks_is_told_a_new_session() -> None:
    """What was said to another one could not be said to it as it was; now it is cut as this one wants it."""
    limits = msgspec.structs.replace(STARTED.limits, max_chunk_ms=50)

    async def drop(heard: Heard) -> None:
        await begin(heard)
        await heard.say(Final("before", 1, 1, 0, 0, 9, "silence", cursor="c1", keep_from=2))
        await heard.hang_up()

    async def stinted(heard: Heard) -> None:
        await heard.until("start")
        await heard.say(msgspec.structs.replace(STARTED, limits=limits))
        await heard.until("stop")
        await heard.say(msgspec.structs.replace(LAST, text="after"))

    said, calls = heard_by_page(drop, stinted, chunks=[1, 2])
    assert ("finished", ["before", "after"]) == (said["state"], said["texts"])
    assert ([True, False], [[], [2, 2]]) == ([resumed(call) for call in calls[1:]], [audio(call) for call in calls[1:]])


SUCCEED = """
const { Speaker } = await import("/speaker.js"), old = new Speaker({ words: true });
old.connected();
old.receive(values[0]);
old.flush("before");
for (const [nth, id] of [[1, "a"], [2, "b"], [3, "c"]]) { old.speak(new Uint8Array([nth])); old.flush(id); }
old.receive({ type: "flushed", id: "a" });
old.receive({ type: "final", index: 0, sequence: 2 });
old.stop();
const next = old.successor();
next.connected();
const start = next.takeMessages();
next.receive(values[0]);
const said = [...start, ...next.takeMessages()];
return said.map(({ type, sequence, id, words }) => [type, sequence ?? id ?? words ?? null]);
"""


def test_a_new_session_takes_over_what_is_owed() -> None:
    """Its numbers begin anew; a flush whose chunk has its final goes first, and the format stays."""
    with pages(ROOT / "examples" / "browser") as page, chromium() as browser:
        browser.go(page)
        said = browser.run(SUCCEED, msgspec.to_builtins(msgspec.structs.replace(STARTED, cursor=UNSET)))
    flushes = [["flush", "before"], ["flush", "b"]]
    assert [["start", True], *flushes, ["audio_chunk", 1], ["flush", "c"], ["stop", None]] == said
