"""Where a measurement ran."""

from __future__ import annotations

import os
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest

from earful.bench import machine
from earful.bench.machine import rounded, where

if TYPE_CHECKING:
    from pathlib import Path


def test_it_is_told_where_it_was() -> None:
    """Versions, platform, processors."""
    place = where()
    assert {"versions", "platform", "cpu_count", "cpu"} == place.keys()
    assert os.cpu_count() == place["cpu_count"]
    assert metadata.version("uvloop") == place["versions"]["uvloop"]


def test_what_is_not_known_is_null(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without that file, a processor without a name, and no uvloop."""

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    monkeypatch.setattr(machine, "_CPU_INFO", tmp_path / "cpuinfo")
    assert (None, None) == (where()["cpu"], where()["versions"]["uvloop"])
    (tmp_path / "cpuinfo").write_text("processor : 0\n", "utf-8")
    assert None is where()["cpu"]
    (tmp_path / "cpuinfo").write_text("processor : 0\nmodel name\t: Any 5\n", "utf-8")
    assert "Any 5" == where()["cpu"]


@pytest.mark.parametrize(
    ("value", "wanted"), [(1.23456, 1.235), ({"a": [0.12345, (2.0001, "x")]}, {"a": [0.123, [2.0, "x"]]}), (None, None)]
)
def test_numbers_are_written_to_a_thousandth(value: Any, wanted: Any) -> None:
    """All through the tree."""
    assert wanted == rounded(value)
