"""`earful config`: every setting, its value, and where it came from.

A table on a terminal, plain lines when piped, one JSON object with `--json`; with `--markdown` the page of them all.
What may be a secret is stars, whole, also among the options of auth and model. Called by `commands`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from earful.cli.flags import load_settings, settings_parser
from earful.cli.masking import masked
from earful.cli.settings_page import settings_page
from earful.settings import Settings, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

_OPTIONS = frozenset({"auth_options", "model_options"})
"""Settings that are trees of what others have named."""


def config(arguments: Sequence[str]) -> int:
    """Show what `earful serve` with the same flags would run with; the exit code, 2 where it would not."""
    parser = settings_parser("config", "Show every setting, its value, and where it came from.")
    parser.add_argument("--json", action="store_true", default=False, help="One JSON object for machines.")
    parser.add_argument(
        "--markdown", action="store_true", default=False, help="The page of all settings, whatever is set."
    )
    try:
        given, settings = load_settings(parser, arguments, os.environ)
    except SettingsError as error:
        print(f"earful: {error}", file=sys.stderr)
        return 2
    if given.markdown:
        print(settings_page(), end="")
    elif given.json:
        print(json.dumps(_as_tree(settings), indent=2, default=str))  # A secret is shown as stars.
    elif sys.stdout.isatty():
        _print_table(settings)
    else:
        _print_lines(settings)
    return 0


def _rows(settings: Settings) -> list[tuple[str, object, str]]:
    """Name, value and source of each setting, in the order of their definition."""
    return [(name, _told(name, getattr(settings, name)), settings.source_of(name)) for name in Settings.model_fields]


def _told(name: str, value: object) -> object:
    """A setting's value as it may be shown; pydantic sees to those that are secrets themselves."""
    return masked(value) if name in _OPTIONS else value


def _as_tree(settings: Settings) -> dict[str, dict[str, object]]:
    return {name: {"value": value, "source": source} for name, value, source in _rows(settings)}


def _shown(value: object) -> str:
    """A value as it would be given: JSON for a tree, whole numbers without a point."""
    if value is None:
        return "none"
    if isinstance(value, dict):
        return json.dumps(value, default=str)
    return f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)  # noqa: PLR2004 - %g's limit


def _print_lines(settings: Settings) -> None:
    for name, value, source in _rows(settings):
        print(f"{name} = {_shown(value)}  # {source}")


def _print_table(settings: Settings) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("setting", "value", "from", "what it is", box=None, header_style="bold")
    for name, value, source in _rows(settings):
        style = "dim" if source == "default" else "bold"
        description = Settings.model_fields[name].description or ""
        table.add_row(name, Text(_shown(value), style), Text(source, style), Text(description, "dim"))
    Console().print(table)
