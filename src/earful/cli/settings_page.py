"""The page of all settings as Markdown, made of the settings themselves: `earful config --markdown`.

Pure: the same code gives the same page, whatever is set. Called by `config`; a test holds docs/settings.md to it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import SecretStr

from earful.bounds import allowed_values
from earful.settings import Settings, env_of, flag_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

GROUPS = {
    "auth": "Who may come in",
    "host": "Where it listens",
    "model": "The model",
    "secret": "Resuming",
    "store": "The store",
    "max_sessions": "Sessions",
    "onset_frames": "Utterances",
    "max_buffered_ms": "What a client may do",
    "overload_lag_ms": "Overload and the end",
    "log_level": "Logs and traces",
}
"""Headings, by the first setting of each group."""

_INTRODUCTION = """\
# Settings

Made by `earful config --markdown` from the code. `earful config` shows what is in force here, and where each value
comes from: a flag wins over the environment, that over the file that `--config FILE` or `EARFUL_CONFIG` names, that
over the default. The file is TOML; a setting has the name that it has here, options are tables.
[Operations](operations.md#settings-anew-without-a-restart) says what SIGHUP changes.
"""


def settings_page() -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION.rstrip(), *_tables()]) + "\n"


def default_of(field: FieldInfo) -> str:
    """A setting's default as it would be given, `none` where there is nothing."""
    default = field.get_default(call_default_factory=True)
    if isinstance(default, SecretStr):  # A default is no secret.
        default = default.get_secret_value()
    if isinstance(default, dict | bool):
        return json.dumps(default)
    return "none" if default in {None, ""} else str(default)


def _tables() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        if name in GROUPS:
            yield f"\n## {GROUPS[name]}\n"
            yield "| setting | flag | variable | takes | default | what it is |"
            yield "|---|---|---|---|---|---|"
        cells = (f"`{name}`", f"`{flag_of(name)}`", f"`{env_of(name)}`")
        words = (allowed_values(field), f"`{default_of(field)}`", field.description or "")
        yield f"| {' | '.join((*cells, *words))} |"
