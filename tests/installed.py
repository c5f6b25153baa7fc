"""What `make installed` asks first: that it is the installed package that is tested, and that it is compiled."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from hatch_build import COMPILED
from tests.support.server import IS_INSTALLED, ROOT


def test_the_installed_package_is_tested() -> None:
    """Not the tree beside the tests."""
    spec = find_spec("earful")
    assert spec is not None
    assert spec.origin is not None
    assert (True, False) == (IS_INSTALLED, Path(spec.origin).is_relative_to(ROOT / "src"))


@pytest.mark.parametrize("module", COMPILED)
def test_it_is_compiled(module: str) -> None:
    """As far as it should be; without a C compiler this is what fails."""
    assert ".so" == Path(str(import_module(f"earful.{module.replace('/', '.')}").__file__)).suffix
