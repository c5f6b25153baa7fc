"""`earful serve`: a start that cannot succeed ends with one sentence and exit code 2."""

from __future__ import annotations

import errno
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from earful.cli.serve import serve
from earful.listening import CannotListen
from earful.models.loading import ModelLoadError
from earful.settings import Settings, SettingsError
from earful.supervisor.supervisor import CannotStart

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception | int], None]:
    """Put a server in place that ends as it is told to."""

    def replace(end: Exception | int) -> None:
        def run(_: Settings) -> int:
            if isinstance(end, Exception):
                raise end
            return end

        monkeypatch.setitem(sys.modules, "earful.server", SimpleNamespace(run=run))

    return replace


def test_the_servers_exit_code_is_the_commands(server: Callable[[Exception | int], None]) -> None:
    """Whatever it is."""
    server(7)
    assert 7 == serve(["--port", "0"])


def test_several_workers_are_run_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the supervisor, which gets the same settings."""
    monkeypatch.setitem(sys.modules, "earful.worker", SimpleNamespace(run=lambda settings: settings.workers))
    assert 3 == serve(["--port", "0", "--workers", "3"])


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (ModelLoadError("There is no model x."), "There is no model x."),
        (SettingsError("Too many."), "Too many."),
        (CannotStart("There are no weights."), "There are no weights."),
        (CannotListen("Port 80 is in use."), "Port 80 is in use."),
    ],
)
def test_foreseeable_trouble_is_a_sentence(
    trouble: Exception, said: str, server: Callable[[Exception | int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, one line, exit code 2."""
    server(trouble)
    assert 2 == serve([])
    shown = capsys.readouterr()
    assert shown.err.startswith("earful: ")
    assert said in shown.err
    assert ("", 1) == (shown.out, shown.err.count("\n"))


def test_other_trouble_is_not_hidden(server: Callable[[Exception | int], None]) -> None:
    """What nobody foresaw keeps its traceback."""
    server(OSError(errno.EIO, "disk"))
    with pytest.raises(OSError, match="disk"):
        serve([])


def test_a_wrong_setting_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything heavy is loaded."""
    assert 2 == serve(["--port", "x"])
    assert "earful: port is 'x' (flag --port); it must be a whole number from 0 to 65535.\n" == capsys.readouterr().err


def test_the_way_to_the_server_loads_neither_typer_nor_rich() -> None:
    """The start has a second, and they take a good part of it."""
    code = (
        "import sys; sys.argv = ['earful', 'serve', '--port', 'x']; from earful.__main__ import main; main();"
        "print(sorted({'typer', 'rich', 'numpy', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "[]" == done.stdout.strip()
