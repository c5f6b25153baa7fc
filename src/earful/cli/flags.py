"""Command-line flags made from the settings themselves, so that nothing is typed twice.

Guarantees that every setting has its flag, and that what is not one is refused with one sentence.
Used by `earful serve` and `earful config`. argparse: it costs 2 ms where typer costs 40 or more.
"""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING, NoReturn

from earful.bounds import allowed_values
from earful.cli.settings_page import default_of
from earful.settings import Settings, SettingsError, env_of, flag_of
from earful.settings_sources import FILE_FLAG
from earful.settings_store import check_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic.fields import FieldInfo


class _Parser(argparse.ArgumentParser):
    """A parser whose complaint is an exception, not a page of usage and an exit."""

    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message[:1].upper()}{message[1:]}; `{self.prog} --help` lists the flags.")


def settings_parser(command: str, description: str) -> argparse.ArgumentParser:
    """A parser with a flag for every setting; `read_flags` reads with it."""
    parser = _Parser(
        prog=f"earful {command}",
        usage=f"earful {command} [--flag VALUE] ...",
        description=description,
        epilog=f"Each setting may also be given in the environment: --max-sessions is {env_of('max_sessions')}.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument(
        flag_of(FILE_FLAG),
        metavar="FILE",
        default=None,
        help=f"A TOML file with settings; {env_of(FILE_FLAG)} names it too. Environment and flags win over it.",
    )
    group = parser.add_argument_group("settings")
    for name, field in Settings.model_fields.items():
        group.add_argument(flag_of(name), dest=name, metavar="VALUE", help=_help(field))
    return parser


def read_flags(
    parser: argparse.ArgumentParser, arguments: Sequence[str]
) -> tuple[argparse.Namespace, dict[str, object]]:
    """All that was given, and the settings of it by name. Raises SettingsError for what is not known."""
    given, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise SettingsError(_unknown(unknown[0], parser.prog))
    return given, {name: value for name, value in vars(given).items() if name in Settings.model_fields}


def load_settings(
    parser: argparse.ArgumentParser, arguments: Sequence[str], env: Mapping[str, str]
) -> tuple[argparse.Namespace, Settings]:
    """Read flags, environment and file; raises SettingsError, also for a store that cannot be one."""
    given, flags = read_flags(parser, arguments)
    settings = Settings.load(flags, env, given.config)
    check_store(settings)
    return given, settings


def _unknown(argument: str, command: str) -> str:
    if not argument.startswith("--"):
        return f"`{command}` does not know what to do with {argument!r}; it takes flags only."
    flag = argument.partition("=")[0]
    found = difflib.get_close_matches(flag[2:].replace("-", "_"), [*Settings.model_fields, FILE_FLAG], n=1)
    meant = f"the nearest is {flag_of(found[0])}" if found else f"`{command} --help` lists the flags"
    return f"{flag} is not a flag of `{command}`; {meant}."


def _help(field: FieldInfo) -> str:
    # argparse formats help with %.
    return f"{field.description} Takes {allowed_values(field)}; default {default_of(field)}.".replace("%", "%%")
