"""From the settings to the doorkeeper they ask for, or none. Called by `app.py`, once a worker."""

from __future__ import annotations

import importlib
import inspect
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earful.access.gate import Gate, GateRules
from earful.access.origins import Origins
from earful.service.admission import TenantLimits
from earful.settings import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from earful.access.authenticator import Authenticator
    from earful.settings import Settings
    from earful.telemetry.logs import Logger


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
        from earful.access.static import StaticKeys

        return _made("static", StaticKeys, {**options, "log": log})
    if settings.auth == "jwt":
        from earful.access.tokens import JwtTokens

        return _made("jwt", JwtTokens, {**options, "log": log})
    return _made(settings.auth, _class(settings.auth), options)


def _made(name: str, kind: Callable[..., Any], options: dict[str, Any]) -> Authenticator:
    """One of `kind`; where its options are not what it takes, or it raises, a sentence that quotes none of them."""
    try:
        inspect.signature(kind).bind(**options)
    except TypeError as fault:
        raise SettingsError(f"auth={name} does not take these auth_options: {fault}.") from None
    try:
        made: Authenticator = kind(**options)
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
