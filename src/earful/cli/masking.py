"""Which of the options that others have named may be secrets, and the same options with stars in their place. Pure.

Guarantees stars, whole, for all that lies below the name of a secret, for the value beside such a name, and in any text
for what follows one, or `Bearer`, or gives an address away. A name is read word by word: `AccessKeyId` is no keyboard.
Called by `config.py`.
"""

from __future__ import annotations

import re

STARS = "**********"
"""As pydantic shows a secret."""
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORD = re.compile(
    r"secret|passw|passphrase|pwd|token|cred|auth|bearer|private|dsn|hmac|cookie|connection|signature"
    r"|keys?(id)?$|headers?$|^pass$|^sig$"
)
_PLACES = (["file"], ["files"], ["path"], ["paths"])
"""The last word of a name that says where a secret lies."""
_LABELS = ("name", "key", "header", "field", "var", "variable")
"""Beside a `value` these say of what it is."""
_IN_ADDRESS = re.compile(r"//[^/\s]+@")
_IN_QUERY = re.compile(r"([?&]([\w.-]+)=)[^&#\s]+")
_BEHIND_NAME = re.compile(
    r"""(?<![\w.?&-])(?:
        (?P<name>[\w.-]+)(?:\s*=|["']\s*[=:]|:\s)  # name=, "name": and name: with a blank
        |(?P<header>[\w-]+):(?!//)  # without one where it is no import path
        |(?P<flag>--?[\w.-]+)\s+(?!-)
        |bearer\s
    )\s*""",
    re.IGNORECASE | re.VERBOSE,
)


def masked(value: object, *, is_secret: bool = False) -> object:
    """A tree of options as it may be shown; where it `is_secret` itself, nothing of it but its shape and names."""
    if isinstance(value, dict):
        return _masked_table(value, is_secret=is_secret)
    if isinstance(value, list):
        before = [None, *value]
        return [masked(part, is_secret=is_secret or _is_flag(flag)) for flag, part in zip(before, value, strict=False)]
    if is_secret:
        return STARS
    return _without_secrets(value) if isinstance(value, str) else value


def is_secret_name(name: str) -> bool:
    """Whether what has this name may be a secret, and not only say where one lies."""
    words = [word.lower() for word in _WORD.findall(name)]
    return any(map(_SECRET_WORD.search, [*words, name.lower()])) and words[-1:] not in _PLACES


def _masked_table(table: dict[str, object], *, is_secret: bool) -> dict[str, object]:
    labels = [text for name, text in table.items() if name.lower() in _LABELS and isinstance(text, str)]
    hidden = {"value"} if any(map(is_secret_name, labels)) else set()
    return {
        name: masked(part, is_secret=is_secret or is_secret_name(name) or name.lower() in hidden)
        for name, part in table.items()
    }


def _is_flag(before: object) -> bool:
    """Whether a list has the flag of a secret there, which then comes next."""
    return isinstance(before, str) and before.startswith("-") and "=" not in before and is_secret_name(before)


def _without_secrets(text: str) -> str:
    """The text with stars for what is in an address, and from where a secret is told on: nobody knows where it ends."""
    text = _IN_ADDRESS.sub(f"//{STARS}@", text)
    text = _IN_QUERY.sub(lambda found: found[1] + STARS if is_secret_name(found[2]) else found[0], text)
    for found in _BEHIND_NAME.finditer(text):
        names = [name for name in found.groupdict().values() if name is not None]
        if not names or is_secret_name(names[0]):
            return text[: found.end()] + STARS
    return text
