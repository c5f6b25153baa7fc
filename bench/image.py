"""The image, built and run: how large it is, how soon it is healthy, how it ends, and what the loss of one costs.

    python bench/image.py [--clients 20] [--seconds 12]

First a container with no setting at all transcribes, drains, and ends. Then two that may write nothing but /tmp, as a
user of no name, share a Redis behind HAProxy, and one is killed while clients speak. Where no engine can be had nothing
is done, which it says, and that is no failure.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from contextlib import ExitStack, closing, contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from containers import BASE, ROOT, TAG, Container, NoEngineError, build, docker, engine, running
from faults import HAPROXY, Crowd
from fleet import SECRET, Door, free_port, haproxy, redis
from report import Report, progress, run

if TYPE_CHECKING:
    from collections.abc import Iterator

SAMPLE = ROOT / "src" / "earful" / "samples" / "speech.wav"
DEFAULT_PORT = 8000
FEWEST_WORDS = 20
_LOOK_EVERY_S = 0.02
HEALTHY_WITHIN_S = 3.0
STARTS = 3
PATIENCE_S = 15.0
GRACE_S = 15
"""More than `drain_s`: else Docker kills who still drains."""
SPOKEN_WITHIN_S = 60.0
KILL_AFTER_S = 5.0
HARDENED = ("--read-only", "--tmpfs=/tmp", "--user=12345:54321", "--cap-drop=ALL", "--security-opt=no-new-privileges")


def built(report: Report) -> None:
    """Build it; how large it is."""
    progress("building the image")
    began = time.monotonic()
    build()
    report.note("build, s", round(time.monotonic() - began, 1))
    size, base = (int(docker("image", "inspect", "--format", "{{.Size}}", image)) for image in (TAG, BASE))
    report.note("size, MB", round(size / 1e6))
    report.note("of which the base image, MB", round(base / 1e6))


def started(report: Report) -> None:
    """How soon its own check says that it is healthy: of several starts, as the first reads all from the disk."""
    progress("starting containers")
    took_s = []
    for _ in range(STARTS):
        with running(host="127.0.0.1", port=free_port()) as container:
            took_s.append(container.wait_until_healthy(PATIENCE_S))
    report.note("seconds until healthy, longest", round(max(took_s), 2))
    report.most("seconds until healthy, median", round(statistics.median(took_s), 2), HEALTHY_WITHIN_S)


def alone(report: Report) -> None:
    """One with no setting: it serves, and drains when it is stopped."""
    progress("one container, no setting")
    look = ("--entrypoint=sh", TAG, "-c", "command -v gcc cc c++ || id -u")
    inside = docker("run", "--rm", "--network=host", *look)
    report.equal("user, where there is no compiler", inside.strip(), "10001")
    settings = {} if _is_free(DEFAULT_PORT) else {"port": free_port()}
    port = settings.get("port", DEFAULT_PORT)
    with running(**settings) as container:
        container.wait_until_healthy(PATIENCE_S)
        report.note("settings given", len(settings))
        words = len(transcribed(port).split())
        report.claim("words transcribed", words, f"at least {FEWEST_WORDS}", holds=words >= FEWEST_WORDS)
        stopped(report, container, port)


def stopped(report: Report, container: Container, port: int) -> None:
    """`docker stop` under a live session of the plain protocol, which is given what it is owed."""
    with speaking(port) as (client, heard):
        began = time.monotonic()
        report.equal("exit code of docker stop", container.stop(GRACE_S), 0)
        report.note("seconds docker stop took", round(time.monotonic() - began, 2))
        client.wait(PATIENCE_S)
        finals = heard.read_text("utf-8").count('"final"')
    report.claim("finals of who was speaking", finals, "at least 1", holds=finals > 0)


async def together(report: Report, wanted: argparse.Namespace) -> None:
    """Two behind HAProxy with a Redis, one of them killed."""
    progress("two containers behind HAProxy, with Redis")
    with ExitStack() as stack:
        store = stack.enter_context(redis())
        ports = [free_port(), free_port()]
        common = {"host": "127.0.0.1", "secret": SECRET, "store": f"redis://127.0.0.1:{store.port}"}
        first, second = (stack.enter_context(running(*HARDENED, **common, port=str(port))) for port in ports)
        for container in (first, second):
            container.wait_until_healthy(PATIENCE_S)
        report.equal("user of a hardened one", first.run("id", "-u").strip(), "12345")
        report.equal("its answer to a large upload", await asyncio.to_thread(uploaded, ports[0]), 200)
        door = Door([stack.enter_context(haproxy(HAPROXY, ports))])
        crowd = Crowd(wanted, door)

        async def faults() -> None:
            await asyncio.sleep(KILL_AFTER_S)
            door.note_fault()
            await asyncio.to_thread(first.kill)

        await crowd.speak(faults())
        crowd.judge(report, in_time=False)
        resumed = len(crowd.tally.resume_s)
        report.claim("sessions that lost their container", resumed, "at least 1", holds=resumed > 0)
        report.equal("exit code of the other", await asyncio.to_thread(second.stop, GRACE_S), 0)


def transcribed(port: int) -> str:
    """What `earful transcribe` prints of the sample. Raises CalledProcessError."""
    command = _command(port, "--fast")
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=SPOKEN_WITHIN_S, check=True).stdout  # noqa: S603 - our own


def uploaded(port: int) -> int:
    """The status of an upload that is too large for memory alone."""
    with wave.open(str(SAMPLE)) as sample:
        rate, pcm = sample.getframerate(), sample.readframes(sample.getnframes())
    body = BytesIO()
    with wave.open(body, "wb") as twice:
        twice.setnchannels(1)
        twice.setsampwidth(2)
        twice.setframerate(rate)
        twice.writeframes(pcm * 2)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SPOKEN_WITHIN_S)) as connection:
        connection.request("POST", "/v1/transcribe", body.getvalue())
        return connection.getresponse().status


@contextmanager
def speaking(port: int) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A plain client in the middle of the sample, and the file of what it hears."""
    with tempfile.TemporaryDirectory() as folder:
        heard = Path(folder) / "heard"
        with heard.open("w") as out:
            client = subprocess.Popen(_command(port, "--plain", "--json"), stdout=out, stderr=subprocess.DEVNULL)  # noqa: S603 - our own
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not heard.stat().st_size and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY_S)
            yield client, heard
        finally:
            client.kill()
            client.wait()


def _command(port: int, *flags: str) -> list[str]:
    url = f"ws://127.0.0.1:{port}"
    return [sys.executable, "-m", "earful", "transcribe", str(SAMPLE), "--url", url, *flags]


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - as the image does
        except OSError:
            return False
    return True


def main() -> int:
    """Read the command line, and check the image where that can be done."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=12)
    wanted = parser.parse_args()
    report = Report("image")
    try:
        with engine():
            built(report)
            started(report)
            alone(report)
            run(_checked(report, wanted))
    except NoEngineError as error:
        print(f"The image was neither built nor run: {error}.")
        return 0
    return report.finish()


async def _checked(report: Report, wanted: argparse.Namespace) -> int:
    await together(report, wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
