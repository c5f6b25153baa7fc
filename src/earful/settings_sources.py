"""Where settings come from: a TOML file, the environment, flags, and secrets in files of their own.

Guarantees that a name nobody knows, and a file that cannot be read, is one sentence (`SettingsError`) without any
secret in it. Called by `settings.py`, which says what the values must be.
"""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic.fields import FieldInfo

ENV_PREFIX = "EARFUL_"
FILE_FLAG = "config"
"""Not a setting: says which file has some."""
MAX_SECRET_BYTES = 1 << 16
_FROM_FILE = "_file"
"""A setting's name and this is the setting that says which file holds it."""


class SettingsError(Exception):
    """A setting cannot be used; the text is one sentence for whoever started the server."""


def flag_of(name: str) -> str:
    """The command-line flag of a setting: `max_sessions` is `--max-sessions`."""
    return "--" + name.replace("_", "-")


def env_of(name: str) -> str:
    """The environment variable of a setting: `max_sessions` is `EARFUL_MAX_SESSIONS`."""
    return ENV_PREFIX + name.upper()


@dataclass(frozen=True, slots=True)
class Given:
    """What is set: values by the names of settings, and where each comes from."""

    values: Mapping[str, object]
    sources: Mapping[str, str]

    def under(self, stronger: Given) -> Given:
        """These, and over them the stronger ones."""
        return Given({**self.values, **stronger.values}, {**self.sources, **stronger.sources})


def from_file(path: str, known: Mapping[str, FieldInfo]) -> Given:
    """The settings in a TOML file, none for an empty path. Raises SettingsError."""
    values = _read_toml(path) if path else {}
    for name in sorted(values.keys() - known.keys()):
        raise SettingsError(f"The file {path} has {name!r}, which is not a setting of earful; {nearest(name, known)}.")
    return Given(values, dict.fromkeys(values, f"file {path}"))


def from_environment(env: Mapping[str, str], known: Iterable[str]) -> Given:
    """The settings in the environment. Raises SettingsError for a variable that begins like one and is none."""
    names = {env_of(name): name for name in known}
    given = {variable: value for variable, value in env.items() if variable.startswith(ENV_PREFIX)}
    for variable in sorted(given.keys() - names.keys() - {env_of(FILE_FLAG)}):
        meant = nearest(variable.removeprefix(ENV_PREFIX).lower(), names.values(), env_of)
        raise SettingsError(f"The environment variable {variable} is not a setting of earful; {meant}.")
    found = names.keys() & given.keys()
    return Given(
        {names[variable]: given[variable] for variable in found},
        {names[variable]: f"environment {variable}" for variable in found},
    )


def from_flags(flags: Mapping[str, object], known: Mapping[str, FieldInfo]) -> Given:
    """The settings in flags, which have the settings' names. Raises SettingsError for a flag that is none."""
    for name in sorted(flags.keys() - known.keys()):
        raise SettingsError(f"The flag {flag_of(name)} is not a setting of earful; {nearest(name, known, flag_of)}.")
    return Given(dict(flags), {name: f"flag {flag_of(name)}" for name in flags})


def with_secrets(given: Given, known: Mapping[str, FieldInfo]) -> Given:
    """The same with each secret that lies in a file of its own. Raises SettingsError, also for one given twice."""
    for name, field in known.items():
        pointer = name + _FROM_FILE
        if field.annotation is SecretStr and given.values.get(pointer):
            given = given.under(_secret_at(given, pointer, name))
    return given


def nearest(name: str, known: Iterable[str], spell: Callable[[str], str] = str) -> str:
    """Which setting was probably meant, spelled as the flag or the variable; else where to find the list."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"the nearest is {spell(found[0])}" if found else "`earful config` lists them all"


def _read_toml(path: str) -> dict[str, object]:
    try:
        return tomllib.loads(Path(path).read_text("utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"The file {path} is not TOML: {error}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"The file {path} is not TOML: it is not UTF-8.") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"The file {path!r} with the settings cannot be read: {_why(error)}.") from None


def _secret_at(given: Given, pointer: str, name: str) -> Given:
    path, source = str(given.values[pointer]), given.sources[pointer]
    if name in given.values:
        raise SettingsError(f"{name} is set ({given.sources[name]}), and so is {pointer} ({source}); leave one out.")
    try:
        with Path(path).open("rb") as file:
            # As the environment decodes it: bytes that are no text stay what they are.
            text = file.read(MAX_SECRET_BYTES).decode(errors="surrogateescape").strip()
    except (OSError, ValueError) as error:
        raise SettingsError(f"{pointer} is {path!r} ({source}), which cannot be read: {_why(error)}.") from None
    if not text:
        raise SettingsError(f"{pointer} is {path!r} ({source}), which holds nothing.")
    return Given({name: text}, {name: f"file {path}"})


def _why(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
