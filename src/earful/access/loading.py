"""From the settings to the doorkeeper they ask for, or none. Called by `app.py`, once a worker."""

from __future__ import annotations

import importlib
import inspect
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from earful.access.gate import Gate, GateRules
from earful.access.origins import Origins
from earful.service.admission import TenantLimits
from earful.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.access.authenticator import Authenticator
    from earful.settings import Settings
    from earful.telemetry.logs import Logger

Options = TypeVar("Options", bound=msgspec.Struct)


def gate_of(settings: Settings, log: Logger, clock: Callable[[], float] = time.monotonic) -> Gate | None:
    """Who is asked about those who come; None where everybody may, from everywhere and as often as they like.

    Raises SettingsError where `auth` cannot be had with its options.
    """
    origins = Origins(settings.origins())
    authenticator = _authenticator(settings, log)
    if authenticator is None and origins.allows_all and not settings.max_handshakes_per_s:
        return None
    limits = TenantLimits(settings.max_sessions_per_tenant, settings.max_new_sessions_per_s_per_tenant)
    return Gate(GateRules(origins, settings.max_handshakes_per_s, limits), authenticator, clock)


def _authenticator(settings: Settings, log: Logger) -> Authenticator | None:
    if settings.auth == "none":
        return None
    options = settings.auth_options
    if settings.auth == "static":
        from earful.access.static import StaticKeys, StaticOptions

        return _made("static", StaticKeys, _read("static", StaticOptions, options), log)
    if settings.auth == "jwt":
        from earful.access.tokens import JwtOptions, JwtTokens

        return _made("jwt", JwtTokens, _read("jwt", JwtOptions, options), log)
    return _made(settings.auth, _class(settings.auth), **options)


def _read(name: str, kind: type[Options], options: dict[str, Any]) -> Options:
    """The options of one that ships; where they are not what it takes, a sentence that quotes none of their values.

    Nothing is taken for something else: the text `false` would open what it is to close.
    """
    try:
        return msgspec.convert(options, kind)
    except msgspec.ValidationError as fault:
        what, _, where = str(fault).replace("`", "").partition(" - at $.")
        raise SettingsError(_not_taken(name, f"{where}: {what}" if where else what)) from None


def _not_taken(name: str, why: object) -> str:
    return f"auth={name} does not take these auth_options: {why}."


def _made(name: str, kind: Callable[..., Any], /, *arguments: Any, **options: Any) -> Authenticator:
    """One of `kind`; where its options are not what it takes, or it raises, a sentence that quotes none of them."""
    try:
        inspect.signature(kind).bind(*arguments, **options)
    except TypeError as fault:
        raise SettingsError(_not_taken(name, fault)) from None
    try:
        made: Authenticator = kind(*arguments, **options)
    except SettingsError:
        raise
    except Exception as fault:
        raise SettingsError(f"auth={name} could not be made: {type(fault).__name__}.") from fault
    return made


def _class(name: str) -> Callable[..., Any]:
    """What `package.module:Class` names; modules in the current directory are found too."""
    module_name, colon, class_name = name.partition(":")
    if not (module_name and colon and class_name):
        raise SettingsError(f"auth is {name}; it must be none, static, jwt or package.module:Class.")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as fault:
        raise SettingsError(f"auth={name} cannot be imported: {type(fault).__name__}.") from fault
    if not inspect.isclass(found) or not inspect.iscoroutinefunction(getattr(found, "__call__", None)):  # noqa: B004 - it is the method that is looked at
        raise SettingsError(f"auth={name} is no class with an async __call__, as earful.access.authenticator says.")
    return found
