"""What SIGHUP changes: the settings as their files are now, under the flags and environment of the start.

Guarantees that settings that cannot be used change nothing, and that what a running server cannot change stays as it
was; the log says either. Called by `server.py` and `worker.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.settings import Settings, SettingsError
from earful.settings_access import AccessSettings
from earful.settings_store import check_store
from earful.telemetry.tracing import check_tracing

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from earful.telemetry.logs import Logger

SHOWN_TO_CLIENTS = frozenset({"secret", "secret_file", "tls_cert", "tls_key"})
"""What a server alone can change while it serves."""
KEPT_BY_ALL = frozenset(
    {"host", "port", "uds", "uds_mode", "ops_host", "ops_port", "workers", "send_buffer_bytes", "drain_s"}
)
"""What successors of workers share with those before them: the sockets, and the time that they have to end."""
KEPT_ALONE = frozenset(Settings.model_fields) - SHOWN_TO_CLIENTS


def read_anew(settings: Settings, kept: AbstractSet[str], log: Logger) -> Settings:
    """The settings of now, those in `kept` as they were. Raises SettingsError where they cannot be used.

    That is also so where they would open what is closed: a file that is empty for a moment must let nobody in.
    """
    anew = settings.read_anew()
    _refuse_opening(settings, anew)
    check_store(anew)
    check_tracing(anew)
    changed = sorted(name for name in kept if getattr(anew, name) != getattr(settings, name))
    if changed:
        log.warning("settings need a restart", settings=", ".join(changed))
    return anew.model_copy(update={name: getattr(settings, name) for name in kept})


def tell_access(before: Settings, after: Settings, log: Logger) -> None:
    """Say in the log, loudly, which settings of access are others now."""
    changed = sorted(name for name in AccessSettings.model_fields if getattr(after, name) != getattr(before, name))
    if changed:
        log.warning("access settings changed", settings=", ".join(changed))


def tell_unusable(error: SettingsError, log: Logger) -> None:
    """Say in the log that everything stays as it was."""
    log.warning("settings not read anew", error=str(error), unchanged="secret, certificate and all other settings")


def _refuse_opening(before: Settings, after: Settings) -> None:
    """Raise SettingsError where access control, or the secret, would be there no more."""
    if before.auth != "none" and after.auth == "none":
        raise SettingsError("auth would be none now, which lets everybody in; only a restart does that.")
    if before.secrets() and not after.secrets():
        raise SettingsError("secret would be gone now, and with it every cursor; only a restart does that.")
