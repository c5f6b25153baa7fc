"""What a wheel is built with: the types that compiled modules use are there, in the versions that are installed."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from typing import TYPE_CHECKING, Any

import pytest
from hatch_build import COMPILED
from packaging.requirements import Requirement
from tests.support.server import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


def imported(module: str) -> Iterator[str]:
    """The packages that a module of ours imports, also only for its types."""
    for node in ast.walk(ast.parse((ROOT / "src/earful" / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            yield node.module.split(".")[0]


def by_name(requirements: list[str]) -> dict[str, Requirement]:
    """What is required, by the distribution's name."""
    return {one.name: one for one in map(Requirement, requirements)}


FOREIGN = {package for module in COMPILED for package in imported(module)} - sys.stdlib_module_names - {"earful"}


@pytest.mark.parametrize("package", sorted(FOREIGN))
def test_what_compiled_modules_import_is_there_when_a_wheel_is_built(package: str) -> None:
    """Where pip builds in isolation too; else the compiler takes its types for Any, and the wheel is another."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    (distribution,) = set(packages_distributions()[package])
    needed = by_name(project["project"]["dependencies"])[distribution]
    assert needed.specifier == by_name(project["build-system"]["requires"])[distribution].specifier
