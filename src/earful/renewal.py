"""What SIGHUP changes: the settings as their files are now, under the flags and environment of the start.

Guarantees that settings that cannot be used change nothing, and that what a running server cannot change stays as it
was; the log says either. Called by `server.py` and `worker.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.settings import Settings, SettingsError
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
    """The settings of now, those in `kept` as they were. Raises SettingsError where they cannot be used."""
    anew = settings.read_anew()
    check_store(anew)
    check_tracing(anew)
    changed = sorted(name for name in kept if getattr(anew, name) != getattr(settings, name))
    if changed:
        log.warning("settings need a restart", settings=", ".join(changed))
    return anew.model_copy(update={name: getattr(settings, name) for name in kept})


def tell_unusable(error: SettingsError, log: Logger) -> None:
    """Say in the log that everything stays as it was."""
    log.warning("settings not read anew", error=str(error))
