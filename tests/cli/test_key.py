"""`earful key`: a key, and the line that knows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from earful.access.keyfile import digest_of, read_keys
from earful.cli.key import key

if TYPE_CHECKING:
    import pytest


def test_the_line_knows_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Both are shown, each alone on its line."""
    assert 0 == key("acme")
    shown = capsys.readouterr().out
    (drawn,) = re.findall(r"^ {4}(earful_\S+)$", shown, re.MULTILINE)
    (line,) = re.findall(r"^ {4}(acme sha256:\S+)$", shown, re.MULTILINE)
    assert {digest_of(drawn): "acme"} == {digest: one.tenant for digest, one in read_keys(line).items()}


def test_a_tenant_that_cannot_be_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Before a key is drawn."""
    assert 2 == key("a b")
    assert ("", True) == ((told := capsys.readouterr()).out, "128 at most" in told.err)
