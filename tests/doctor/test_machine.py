"""The machine: each thing it may have too little of."""

from __future__ import annotations

from dataclasses import replace

import pytest

from earful.doctor.finding import Finding, Grade
from earful.doctor.machine import Machine, check_machine, read_machine
from earful.settings import Settings

GOOD = Machine(20_000, 4096, 1 << 33, frozenset({"av", "httptools", "uvloop"}), is_compiled=True)
SETTINGS = Settings()


def found(machine: Machine, settings: Settings = SETTINGS) -> dict[str, Finding]:
    """What is said of it, by what it is about."""
    return {finding.about: finding for finding in check_machine(machine, settings, backlog=4096)}


def test_a_good_one_needs_nothing() -> None:
    """Each thing is told all the same."""
    findings = found(GOOD)
    assert {"open files", "listen backlog", "memory", "event loop", "compiled code", "uploads"} == set(findings)
    assert {Grade.OK} == {finding.grade for finding in findings.values()}
    assert {""} == {finding.advice for finding in findings.values()}


@pytest.mark.parametrize(
    ("lack", "about", "grade", "advice"),
    [
        ({"files": 2479}, "open files", Grade.FAIL, "LimitNOFILE=2992"),
        ({"backlog": 128}, "listen backlog", Grade.WARN, "net.core.somaxconn=4096"),
        ({"memory_bytes": 1 << 27}, "memory", Grade.WARN, "max_sessions"),
        ({"modules": frozenset({"av", "httptools"})}, "event loop", Grade.WARN, "pip install uvloop."),
        ({"modules": frozenset({"uvloop", "httptools"})}, "uploads", Grade.WARN, "earful[audio]"),
        ({"is_compiled": False}, "compiled code", Grade.WARN, "C compiler"),
    ],
)
def test_what_is_lacking_is_told(lack: dict[str, object], about: str, grade: Grade, advice: str) -> None:
    """That alone, with what to do."""
    findings = found(replace(GOOD, **lack))  # type: ignore[arg-type]  # fields of several types
    assert [about] == [finding.about for finding in findings.values() if finding.grade is not Grade.OK]
    assert grade is findings[about].grade
    assert advice in findings[about].advice


def test_what_cannot_be_known_is_not_told() -> None:
    """On systems that do not say."""
    assert {"listen backlog", "memory"}.isdisjoint(found(replace(GOOD, backlog=None, memory_bytes=None)))


def test_this_machine_can_be_read() -> None:
    """Whatever it has."""
    machine = read_machine(is_compiled=False)
    assert machine.files > 0
    assert machine.memory_bytes is None or machine.memory_bytes > 0
    assert "uvloop" in machine.modules
