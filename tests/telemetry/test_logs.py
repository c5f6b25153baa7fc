"""The log: one line an event, for machines or readers, and nothing of what was spoken."""

from __future__ import annotations

import importlib
import json
import logging
import subprocess
import sys
from collections import Counter
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from typing_extensions import override

from earful.telemetry.log_rate import MOST
from earful.telemetry.logs import _hidden, open_log

if TYPE_CHECKING:
    from collections.abc import Iterator


class Screen(StringIO):
    """A stream that says it is a terminal."""

    @override
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _root_logger() -> Iterator[None]:
    """Give the standard library its own logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: StringIO) -> list[dict[str, Any]]:
    """The JSON lines written."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_machines_get_json_lines() -> None:
    """Event, level and time, with the fields beside them."""
    stream = StringIO()
    open_log(stream=stream).info("session ended", session="s1", reason="stop")
    (line,) = lines(stream)
    assert ("session ended", "info", "s1", "stop") == (line["event"], line["level"], line["session"], line["reason"])
    assert line["timestamp"].endswith("Z")


def test_one_worker_of_several_is_named_on_each_line() -> None:
    """On foreign loggers' lines too; alone it has no name."""
    stream = StringIO()
    log = open_log(stream=stream, worker=2)
    log.info("ready")
    logging.getLogger("uvicorn.error").warning("odd")
    assert [("ready", 2), ("odd", 2)] == [(line["event"], line["worker"]) for line in lines(stream)]
    stream = StringIO()
    open_log(stream=stream).info("ready")
    assert "worker" not in lines(stream)[0]


def test_readers_get_text_on_a_terminal() -> None:
    """`auto` looks at the stream."""
    stream = Screen()
    open_log(stream=stream).info("server listening", port=8000)
    assert "server listening" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_text_can_be_asked_for_without_colours() -> None:
    """Not on a terminal there are no escapes."""
    stream = StringIO()
    open_log(form="text", stream=stream).warning("slow model", model_s=2)
    assert "\033" not in stream.getvalue()
    assert "slow model" in stream.getvalue()


def test_json_can_be_asked_for_on_a_terminal() -> None:
    """The setting wins over the stream."""
    stream = Screen()
    open_log(form="json", stream=stream).info("server listening")
    assert "server listening" == lines(stream)[0]["event"]


def test_a_level_silences_what_is_below_it() -> None:
    """For our own and for foreign loggers."""
    stream = StringIO()
    log = open_log("warning", stream=stream)
    log.info("not heard")
    logging.getLogger("uvicorn.error").info("not heard either")
    log.error("heard")
    assert ["heard"] == [line["event"] for line in lines(stream)]


def test_foreign_loggers_come_out_alike() -> None:
    """A library's message has its logger's name and our form."""
    stream = StringIO()
    open_log(stream=stream)
    logging.getLogger("uvicorn.error").warning("lost %s", "it")
    (line,) = lines(stream)
    assert ("lost it", "warning", "uvicorn.error") == (line["event"], line["level"], line["logger"])


def test_what_anybody_can_cause_is_told_so_often_in_a_second() -> None:
    """Our own events and foreign places, each by itself; how many are left out is told, at the latest at the end."""
    stream = StringIO()
    log = open_log(stream=stream)
    for number in range(10 * MOST):
        log.info("session refused")
        logging.getLogger("uvicorn.error").warning("odd by %d", number)
        log.info("session ended", session="s")
    log.close()
    told = Counter(line["event"].partition(" by ")[0] for line in lines(stream))
    left_out = Counter[str]()
    for line in lines(stream):
        if line["event"] == "log lines left out":
            left_out[line["of"].partition(":")[0]] += line["count"]
    assert {"session refused", "uvicorn.error (test_logs"} == left_out.keys()
    assert [10 * MOST] * 3 == [
        told["session refused"] + left_out["session refused"],
        told["odd"] + left_out["uvicorn.error (test_logs"],
        told["session ended"],
    ]


def test_a_traceback_has_no_local_variables() -> None:
    """Speech in a local variable stays out of the log, in both forms and from both kinds of logger."""

    def fail() -> None:
        transcript = "what was " + "spoken"
        raise ValueError(len(transcript))

    for stream, form in ((StringIO(), "json"), (Screen(), "text")):
        log = open_log(form=form, stream=stream)  # type: ignore[arg-type]
        try:
            fail()
        except ValueError:
            log.exception("call failed")
            logging.getLogger("asyncio").exception("task failed")
        assert 2 == stream.getvalue().count("Traceback")
        assert "what was spoken" not in stream.getvalue()


def test_what_json_does_not_know_is_written_as_text() -> None:
    """A log line never fails."""
    stream = StringIO()
    open_log(stream=stream).info("odd", value={1, 2}.__class__)
    assert "set" in lines(stream)[0]["value"]


def test_a_module_is_hidden_only_until_somebody_has_loaded_it() -> None:
    """Rich may be there already: then it stays."""
    with _hidden("json"):
        assert json is sys.modules["json"]
    with _hidden("nowhere"), pytest.raises(ImportError):
        importlib.import_module("nowhere")
    assert "nowhere" not in sys.modules


def test_opening_the_log_loads_no_rich() -> None:
    """It would take a seventh of the server's start."""
    code = "import sys; from earful.telemetry.logs import open_log; open_log(form='json'); print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "False" == done.stdout.strip()
