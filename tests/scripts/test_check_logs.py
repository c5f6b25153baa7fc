"""The look through the logs of a test run: what may not be there is found."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest
from scripts.check_logs import findings, main
from tests.support.kept import MARK
from tests.support.speech import SPEECH

from earful.models.voice import Voice

if TYPE_CHECKING:
    from pathlib import Path


def test_what_belongs_in_a_log_is_not_found() -> None:
    """Ids, sentences, tracebacks."""
    lines = [
        '{"event": "session ended", "session": "Jb0x9Yk4Qm2Zr8s1Tt5uVw", "why": "The client said stop."}',
        '{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "traceback": "File \\"/a/b/lib/python3.11/x.py\\", line 3"}',
    ]
    assert [] == list(findings(lines))


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"GET /?token={MARK}", "a token"),
        (f"text={Voice(3).hear(SPEECH[:3200])}", "text"),
        (b64encode(SPEECH[:100]).decode(), "audio"),
        ("\x1b[31mred", "a control character"),
    ],
)
def test_what_does_not_is(line: str, what: str) -> None:
    """With its line."""
    (sentence,) = findings(["fine", line])
    assert sentence.startswith(f"line 2 has {what}: ")


def test_the_exit_code_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 where all is well; 1 where something was found, or nothing was looked at."""
    assert 1 == main(str(tmp_path))
    (tmp_path / "a.log").write_text("fine\n", encoding="utf-8")
    assert 0 == main(str(tmp_path))
    assert "logs: 1 lines of 1 servers, no token, text or audio among them" in capsys.readouterr().out
    (tmp_path / "b.log").write_text(f"{MARK}\n", encoding="utf-8")
    assert 1 == main(str(tmp_path))
    assert "b.log: line 1 has a token" in capsys.readouterr().out
