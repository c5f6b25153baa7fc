"""`earful doctor`: looks at this machine, the settings, the store, a proxy's file and a running service.

A line for each finding, with what to do; exit code 0 where nothing fails, else 1. Takes the settings as `earful serve`
would, from flags and environment. Called by `commands`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import earful
from earful.cli.asking import UnansweredError, ask
from earful.cli.flags import load_settings, settings_parser
from earful.cli.phrases import printable
from earful.doctor.finding import Finding, Grade
from earful.doctor.machine import check_machine, read_machine
from earful.doctor.proxy import check_proxy
from earful.doctor.service import Health, check_health, check_settings
from earful.settings import SettingsError
from earful.store.opening import is_shared

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from earful.settings import Settings

_BAD_SETTINGS = 2
_COLORS = {Grade.OK: "green", Grade.WARN: "yellow", Grade.FAIL: "bold red"}


def doctor(arguments: Sequence[str]) -> int:
    """Look, and tell what was found; the exit code, 2 where the settings themselves cannot be used."""
    try:
        given, settings = load_settings(_parser(), arguments, os.environ)
        findings = list(examine(settings, given))
    except (SettingsError, OSError) as error:
        print(f"earful: {error}", file=sys.stderr)
        return _BAD_SETTINGS
    if given.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        _print(findings)
    return int(any(finding.grade is Grade.FAIL for finding in findings))


def examine(settings: Settings, given: argparse.Namespace) -> Iterator[Finding]:
    """All findings. Raises OSError for a proxy's file that cannot be read."""
    from earful.runtime import is_compiled
    from earful.server import BACKLOG

    url = settings.store.get_secret_value()
    yield from check_machine(read_machine(is_compiled=is_compiled()), settings, BACKLOG)
    yield from check_settings(settings, is_shared=is_shared(url))
    if is_shared(url):
        from earful.doctor.store import check_store

        yield from asyncio.run(check_store(url))
    if given.proxy_config is not None:
        yield from check_proxy(Path(given.proxy_config).read_text(encoding="utf-8", errors="replace"), settings)
    if given.url is not None:
        yield from _service(given.url)


def _service(url: str) -> Iterator[Finding]:
    health, why_not = None, ""
    try:
        health = ask(url, "/v1/health", Health, or_status=HTTPStatus.SERVICE_UNAVAILABLE)
    except UnansweredError as error:
        why_not = str(error)
    yield from check_health(url, health, why_not, earful.__version__)


def _parser() -> argparse.ArgumentParser:
    parser = settings_parser("doctor", "Look for what keeps a server from keeping its promises.")
    parser.add_argument("--url", default=None, help="A running service to ask how it is.")
    parser.add_argument("--proxy-config", default=None, metavar="FILE", help="HAProxy's or nginx's configuration.")
    parser.add_argument("--json", action="store_true", default=False, help="One JSON array for machines.")
    return parser


def _print(findings: Sequence[Finding]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    width = max(len(finding.about) for finding in findings)
    for finding in findings:
        line = Text.assemble((f"{finding.grade:<5}", _COLORS[finding.grade]), f"{finding.about:<{width}}  ")
        console.print(line + Text(printable(f"{finding.what}.")))
        if finding.advice:
            console.print(
                Text(f"     {'':<{width}}  {printable(finding.advice)}", "dim" if console.is_terminal else "")
            )
