"""The supervisor with workers that play a part: who is followed, who is replaced, and how everything ends."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.server import PATHS, LogLines, await_true
from tests.support.troupe import GATE, RENEWED, SILENT_WITHIN_S

from earful.backoff import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Iterator

WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Troupe:
    """The supervisor's process, and its log."""

    process: subprocess.Popen[str]
    log: LogLines

    def started(self, slot: int, number: int = 1) -> int:
        """Wait until the slot has had so many processes; the id of the last of these."""

        def pids() -> list[int]:
            lines = [line for line in self.log.events if line["event"] == "worker started"]
            return [int(line["pid"]) for line in lines if line["worker"] == slot]

        await_true(lambda: len(pids()) >= number, WITHIN_S)
        return pids()[number - 1]

    def wait_for(self, event: str, number: int = 1) -> None:
        """Wait until there are so many lines of it."""
        await_true(lambda: self.count(event) >= number, WITHIN_S)

    def count(self, event: str) -> int:
        """How many lines of it there are."""
        return sum(line["event"] == event for line in self.log.events)

    def causes(self, event: str) -> list[str]:
        """Why workers ended, in the lines of one event."""
        return [line["cause"] for line in self.log.events if line["event"] == event]

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.exit_code()

    def exit_code(self) -> int:
        """Wait for the end; no worker is left."""
        code = self.process.wait(WITHIN_S)
        self.log.join()  # It ends only when nobody holds the other end any more.
        return code


@contextmanager
def troupe(part: str, number: int = 2, **env: str) -> Iterator[Troupe]:
    """Run it until the scope ends."""
    path = os.pathsep.join(PATHS)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.troupe", part, str(number)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path, **env},
    )
    assert process.stderr is not None
    log = LogLines(process.stderr)
    try:
        yield Troupe(process, log)
    finally:
        process.kill()
        process.wait()
        log.join()


# Deaths


def test_a_dead_worker_is_followed_at_once() -> None:
    """The log says what killed it; its neighbour is left alone."""
    with troupe("good") as here:
        victim, neighbour = here.started(0), here.started(1)
        os.kill(victim, signal.SIGKILL)
        successor = here.started(0, 2)
        assert successor != victim
        assert ["SIGKILL"] == here.causes("worker died")
        os.kill(neighbour, 0)
        assert 0 == here.end()


def test_one_that_dies_again_and_again_is_followed_ever_later() -> None:
    """Five times at once, then after a tenth of a second, after two; the end comes at once all the same."""
    with troupe("ill", 1) as here:
        here.wait_for("worker died", AT_ONCE + 3)
        assert ["exit code 7"] * (AT_ONCE + 3) == here.causes("worker died")[: AT_ONCE + 3]
        assert [0.0] * AT_ONCE + [0.1, 0.2, 0.4] == [
            line["retry_in_s"] for line in here.log.events if line["event"] == "worker died"
        ][: AT_ONCE + 3]
        assert here.end() in {0, 1}


@pytest.mark.parametrize(
    ("part", "causes"), [("raising", {"exit code 1"}), ("leaving", {"exit code 1", "exit code 3"})]
)
def test_whatever_a_worker_raises_ends_it_alone(part: str, causes: set[str]) -> None:
    """What nobody foresaw with its traceback; a library's exit with its code."""
    with troupe(part) as here:
        here.wait_for("worker died", 4)
        assert causes == set(here.causes("worker died"))
        here.end()
    assert ("raising" == part) is ("LookupError" in here.log.text)


def test_no_room_for_another_process_is_waited_out() -> None:
    """It is logged, and the slot filled when there is room."""
    with troupe("good", 1) as here:
        victim = here.started(0)
        resource.prlimit(here.process.pid, resource.RLIMIT_NOFILE, (4, 4096))
        os.kill(victim, signal.SIGKILL)
        here.wait_for("worker cannot be started")
        resource.prlimit(here.process.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        here.started(0, 2)
        assert 0 == here.end()


def test_a_worker_that_never_can_start_ends_everything() -> None:
    """With its own sentence, once, and not with a loop."""
    with troupe("hopeless") as here:
        assert 2 == here.exit_code()
        assert 0 == here.count("worker died")
        assert "There are no weights." == here.log.wait_for("cannot start", WITHIN_S)["sentence"]


# Silence


def test_each_knows_whether_another_takes_somebody() -> None:
    """Whom it sends on must have somewhere to go."""
    with troupe("pressed") as here:
        for slot in range(2):
            here.log.wait_for("heard", slot=slot, word="room")
        here.process.send_signal(signal.SIGUSR1)
        here.log.wait_for("heard", slot=0, word="no_room")
        assert ["room"] == [line["word"] for line in here.log.events if line.get("slot") == 1]
        assert 0 == here.end()


def test_one_that_hangs_is_killed_and_followed() -> None:
    """As one that died; its successor, which speaks, is left alone."""
    with troupe("mute") as here:
        hung = [here.started(slot) for slot in range(2)]
        here.wait_for("worker hangs", 2)
        for slot in range(2):
            here.started(slot, 2)
        assert ["hung", "hung"] == here.causes("worker died")
        assert set(hung) == {line["pid"] for line in here.log.events if line["event"] == "worker hangs"}
        pass_time(2 * SILENT_WITHIN_S)
        assert 0 == here.end()
        assert 4 == here.count("worker started")


def test_the_successor_of_a_dead_one_has_bounded_time_to_get_ready() -> None:
    """Then it is killed and followed itself, although its event loop moves."""
    with troupe("wedged", 1) as here:
        os.kill(here.started(0), signal.SIGKILL)
        here.wait_for("worker died", 3)
        here.started(0, 4)
        assert ["SIGKILL", *["not ready in time"] * 2] == here.causes("worker died")
        assert 2 == here.count("worker hangs")
        assert here.end() in {0, 1}


def test_one_that_never_gets_ready_is_followed_ever_later() -> None:
    """By the same steps as one that dies at its start, also at the first; it has not said that it never can."""
    with troupe("loading", 1) as here:
        here.wait_for("worker died", AT_ONCE + 2)
        died = [line for line in here.log.events if line["event"] == "worker died"][: AT_ONCE + 2]
        assert {"not ready in time"} == {line["cause"] for line in died}
        assert [0.0] * AT_ONCE + [0.1, 0.2] == [line["retry_in_s"] for line in died]
        assert here.end() in {0, 1}
        assert 0 == here.count("cannot start")


def test_one_that_cannot_start_and_does_not_end_is_killed() -> None:
    """What it said is told all the same."""
    with troupe("reluctant") as here:
        assert 2 == here.exit_code()
        assert "There are no weights." == here.log.wait_for("cannot start", WITHIN_S)["sentence"]


def test_one_that_is_stopped_for_a_while_is_left_alone() -> None:
    """It goes on."""
    with troupe("lively") as here:
        stopped_for(SILENT_WITHIN_S / 2, here.started(0))
        pass_time(SILENT_WITHIN_S)
        assert 0 == here.end()
        assert 2 == here.count("worker started")


@pytest.mark.parametrize("all_of_them", [False, True])
def test_nobody_is_called_silent_while_nobody_listened(all_of_them: bool) -> None:  # noqa: FBT001 - parameter
    """The supervisor was stopped for long, perhaps with its workers, and goes on before them."""
    with troupe("lively") as here:
        workers = [here.started(slot) for slot in range(2)]
        stopped_for(2 * SILENT_WITHIN_S, here.process.pid, *(workers if all_of_them else []))
        pass_time(SILENT_WITHIN_S)
        assert 0 == here.end()
        assert 2 == here.count("worker started")


def stopped_for(seconds: float, *pids: int) -> None:
    """Stop processes so long; they go on in this order."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    pass_time(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
        pass_time(SILENT_WITHIN_S / 20)


def pass_time(seconds: float) -> None:
    """Wait, where nothing is to be seen: what is tested is that nothing happens."""
    until = time.monotonic() + seconds
    await_true(lambda: time.monotonic() >= until)


# Replacing


def test_all_are_replaced_one_after_another() -> None:
    """Each only when its successor is ready, and the next when it has ended."""
    with troupe("good", 3) as here:
        before = [here.started(slot) for slot in range(3)]
        here.process.send_signal(signal.SIGHUP)
        here.wait_for("all workers replaced")
        assert [] == [pid for pid in before if Path(f"/proc/{pid}").exists()]
        order = [(line["event"], line["worker"]) for line in here.log.events if "worker" in line][3:]
        assert [(event, slot) for slot in range(3) for event in ("worker started", "worker ended")] == order
        assert 0 == here.end()


def test_one_that_retires_has_more_time_than_one_that_ends() -> None:
    """Those whom it has accepted are still let in."""
    with troupe("leisurely", 1) as here:
        here.started(0)
        here.process.send_signal(signal.SIGHUP)
        here.wait_for("all workers replaced")
        assert ["exit code 0"] == here.causes("worker ended")
        assert 0 == here.end()
        assert 0 == here.count("worker did not end in time")


def test_a_second_round_follows_the_first(tmp_path: Path) -> None:
    """However often it is asked for meanwhile, it is one."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with troupe("gated", 1, **{GATE: str(gate)}) as here:
        here.started(0)
        here.process.send_signal(signal.SIGHUP)
        for _ in range(2):
            here.started(0, 2)  # The first round is on its way, and cannot end yet.
            here.process.send_signal(signal.SIGHUP)
        gate.write_text("")
        here.wait_for("replacing all workers", 2)
        gate.write_text("")
        here.wait_for("all workers replaced", 2)
        assert 0 == here.end()
        assert 3 == here.count("worker started")


def test_without_a_successor_everything_stays_as_it_is() -> None:
    """The round ends where one does not get ready in time; the old one was not touched."""
    with troupe("late") as here:
        old = here.started(0)
        here.process.send_signal(signal.SIGHUP)
        here.wait_for("replacing stopped: a successor did not get ready")
        assert ["not ready in time"] == here.causes("worker died")
        os.kill(old, 0)
        assert 0 == here.end()


def test_a_successor_moves_up_where_the_old_one_dies_first(tmp_path: Path) -> None:
    """Nobody else is started, and the successor is not told to go."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with troupe("gated", 1, **{GATE: str(gate)}) as here:
        old = here.started(0)
        here.process.send_signal(signal.SIGHUP)
        here.started(0, 2)
        os.kill(old, signal.SIGKILL)
        here.wait_for("worker died")
        gate.write_text("")
        here.wait_for("all workers replaced")
        assert 2 == here.count("worker started")
        assert 0 == here.end()


def test_a_successor_that_dies_ends_the_round(tmp_path: Path) -> None:
    """As one that is late does."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    with troupe("gated", 1, **{GATE: str(gate)}) as here:
        here.started(0)
        here.process.send_signal(signal.SIGHUP)
        os.kill(here.started(0, 2), signal.SIGKILL)
        here.wait_for("replacing stopped: a successor did not get ready")
        assert 0 == here.end()
        assert 2 == here.count("worker started")


def test_new_work_that_comes_to_nothing_is_forgotten() -> None:
    """Who dies after a round that stopped is followed by one with the former work."""
    with troupe("good", 1, **{RENEWED: "hopeless"}) as here:
        old = here.started(0)
        here.process.send_signal(signal.SIGHUP)
        here.wait_for("replacing stopped: a successor did not get ready")
        assert ["There are no weights."] == here.causes("worker died")
        os.kill(old, signal.SIGKILL)
        here.started(0, 3)
        assert 0 == here.end()
        assert ["There are no weights.", "SIGKILL"] == here.causes("worker died")


def test_nobody_is_replaced_where_there_is_no_new_work() -> None:
    """Whoever was asked for it has said why not."""
    with troupe("good", 1, **{RENEWED: "nobody"}) as here:
        old = here.started(0)
        here.process.send_signal(signal.SIGHUP)
        os.kill(old, signal.SIGKILL)
        here.started(0, 2)
        assert 0 == here.end()
        assert (2, 0) == (here.count("worker started"), here.count("replacing all workers"))


def test_a_slot_that_waits_for_a_worker_is_passed_over() -> None:
    """It gets a new one anyway."""
    with troupe("ill", 1) as here:
        here.wait_for("worker died", AT_ONCE + 4)
        here.process.send_signal(signal.SIGHUP)
        here.wait_for("all workers replaced")
        here.end()


# The end


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_end_when_told(number: signal.Signals) -> None:
    """With 0 where each ended as it should."""
    with troupe("good") as here:
        here.started(1)
        assert 0 == here.end(number)
        assert 2 == here.count("worker ended")


def test_who_does_not_end_is_killed() -> None:
    """In bounded time, and the code says so."""
    with troupe("stubborn") as here:
        await_true(lambda: all(ignores_the_end(here.started(slot)) for slot in range(2)))
        assert 1 == here.end()
        assert ["SIGKILL"] * 2 == here.causes("worker ended")
        assert 2 == here.count("worker did not end in time")


def test_a_second_signal_ends_everything_at_once() -> None:
    """Code 1, nobody left."""
    with troupe("stubborn") as here:
        await_true(lambda: all(ignores_the_end(here.started(slot)) for slot in range(2)))
        here.process.send_signal(signal.SIGTERM)
        here.wait_for("stopping")
        began = time.monotonic()
        assert 1 == here.end()
        assert time.monotonic() - began < 1.0
        assert 0 == here.count("worker did not end in time")


def ignores_the_end(pid: int) -> bool:
    """Whether the process has got so far that SIGTERM does not end it."""
    ignored = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigIgn"))
    return bool(int(ignored.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def test_a_worker_may_ask_for_the_end_of_all() -> None:
    """However often: asking is not a second signal."""
    with troupe("drained") as here:
        assert 0 == here.exit_code()
        assert 2 == here.count("worker ended")


def test_no_worker_outlives_a_supervisor_that_is_killed() -> None:
    """The end of the line tells them."""
    with troupe("good") as here:
        here.started(1)
        assert -signal.SIGKILL == here.end(signal.SIGKILL)


def test_a_terminal_that_is_gone_is_the_end_and_no_restart() -> None:
    """As for a server alone: code 1 at once, and nothing is written to it any more."""
    ours, theirs = os.openpty()
    path = os.pathsep.join(PATHS)
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.troupe", "good", "2"],
        stdin=subprocess.DEVNULL,
        stderr=theirs,
        pass_fds=[write],
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        os.close(theirs)
        os.close(write)
        said = b""
        while said.count(b"worker started") < 2:
            said += os.read(ours, 4096)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert 1 == process.wait(WITHIN_S)
        assert b"" == os.read(read, 1), "a worker is left"
    finally:
        os.close(read)
        process.kill()
        process.wait()


def test_who_connects_waits_for_the_successor() -> None:
    """The supervisor holds the port open while nobody serves it."""
    with troupe("ill", 1) as here:
        port = here.log.wait_for("starting", WITHIN_S)["port"]
        here.wait_for("worker died", AT_ONCE + 2)
        socket.create_connection(("127.0.0.1", port), timeout=WITHIN_S).close()
        here.end()


def test_a_wish_for_the_state_is_passed_on() -> None:
    """To each worker; nobody ends of it, the supervisor neither."""
    with troupe("curious") as here:
        here.started(0)
        here.started(1)
        here.wait_for("listening", 2)
        here.process.send_signal(signal.SIGUSR1)
        here.wait_for("asked", 2)
        assert 0 == here.end()
    assert 2 == here.count("asked")


def test_a_worker_that_has_no_answer_to_it_yet_lives_on() -> None:
    """It was forked a moment ago."""
    with troupe("lively") as here:
        pid = here.started(0)
        here.started(1)
        here.process.send_signal(signal.SIGUSR1)
        os.kill(pid, signal.SIGUSR1)
        assert 0 == here.end()
    assert 0 == here.count("worker died")
