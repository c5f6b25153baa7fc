"""A headless Chromium, driven over WebDriver by the chromedriver of the same Debian package.

Guarantees that both are gone when the scope ends, and that every wait ends. It reaches this machine and nothing else.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler
from typing import IO, TYPE_CHECKING, Any

import httpx
from tests.support.http_thread import Quiet, serving
from tests.support.server import await_true

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DRIVER = "chromedriver"
PATIENCE_S = 20.0
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
_ALWAYS = (
    "--headless",
    "--no-sandbox",  # It refuses to run as root otherwise, as which containers run tests.
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
    "--no-proxy-server",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


@dataclass(frozen=True, slots=True)
class Browser:
    """One window."""

    client: httpx.Client

    def go(self, url: str) -> None:
        """Load a page."""
        self._post("url", {"url": url})

    def run(self, script: str, *values: object) -> Any:
        """What the body of an async function returns, given `values` as `arguments`; AssertionError where it throws."""
        wrapped = f"return (async (...values) => {{ {script} }})(...arguments);"
        return self._post("execute/sync", {"script": wrapped, "args": list(values)})

    def click(self, css: str) -> None:
        """Click on an element, as a person would."""
        self._post(f"element/{self._find(css)}/click", {})

    def type(self, css: str, text: str) -> None:
        """Type into an element; into one for files, the path of a file."""
        self._post(f"element/{self._find(css)}/value", {"text": text})

    def text(self, css: str) -> str:
        """What an element shows."""
        return str(self.run("return document.querySelector(values[0]).textContent", css))

    def log(self) -> list[str]:
        """What the console has of errors and warnings since it was last asked."""
        return [line["message"] for line in self._post("se/log", {"type": "browser"})]

    def await_true(self, script: str, *values: object) -> None:
        """Wait until an expression holds in the page; AssertionError where it does not in time."""
        await_true(lambda: self.run(f"return {script}", *values), PATIENCE_S)

    def _find(self, css: str) -> str:
        return str(self._post("element", {"using": "css selector", "value": css})[_ELEMENT])

    def _post(self, command: str, body: dict[str, Any]) -> Any:
        return _value(self.client.post(command, json=body))


@contextmanager
def chromium(*, microphone: Path | None = None) -> Iterator[Browser]:
    """A window of its own; its microphone hears this WAV file once from the beginning, else beeps."""
    fake = () if microphone is None else (f"--use-file-for-fake-audio-capture={microphone}%noloop",)
    with (
        tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile,
        _driver() as url,
        httpx.Client(base_url=url, timeout=PATIENCE_S, trust_env=False) as client,
    ):
        options = {"args": [*_ALWAYS, *fake, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "WARNING"}}
        session = _value(client.post("session", json={"capabilities": {"alwaysMatch": wanted}}))["sessionId"]
        client.base_url = httpx.URL(f"{url}/session/{session}")
        try:
            yield Browser(client)
        finally:
            _value(client.delete(f"{url}/session/{session}"))  # Ends the browser.


@contextmanager
def pages(folder: Path) -> Iterator[str]:
    """The URL under which a folder's files are served."""

    class Files(SimpleHTTPRequestHandler, Quiet):
        pass

    with serving(partial(Files, directory=str(folder))) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def _driver() -> Iterator[str]:
    """A chromedriver's URL."""
    process = subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        assert process.stdout is not None
        with process.stdout as output:
            yield f"http://127.0.0.1:{_port(output)}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # A browser too that did not end when it was told to.
        process.wait(PATIENCE_S)


def _port(output: IO[str]) -> int:
    for line in output:
        found = re.search(r"started successfully on port (\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError("chromedriver does not start")


def _value(response: httpx.Response) -> Any:
    value = response.json()["value"]
    assert 200 == response.status_code, value
    return value
