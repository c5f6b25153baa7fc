"""What must hold between settings that are each inside their bounds, and the sentence for where it does not.

Pure. Called by `settings.py` when all values are known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earful.settings_access import access_rules_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from earful.settings import Settings

_LONGEST_ONSET_MS = 400
_LAST_PORT = 65535
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


def rules_of(settings: Settings) -> Iterator[tuple[bool, str]]:
    """Each rule: whether it holds, and what is to be said where it does not, with the names of the settings in it."""
    yield from _utterances(settings)
    yield from _addresses(settings)
    yield (
        settings.tls_cert is not None or settings.tls_key is None,
        "tls_key is nothing without tls_cert",
    )
    yield from access_rules_of(settings)
    yield all(settings.secrets()), "secret must not be empty before, between or behind its commas"


def _utterances(settings: Settings) -> Iterator[tuple[bool, str]]:
    yield (
        settings.onset_frames <= settings.onset_window,
        "onset_frames must not be larger than onset_window",
    )
    yield (
        settings.onset_window * settings.vad_frame_ms <= _LONGEST_ONSET_MS,
        f"onset_window times vad_frame_ms must not be longer than {_LONGEST_ONSET_MS} ms",
    )
    yield (
        settings.hangover_ms < settings.endpoint_silence_ms,
        "hangover_ms must be smaller than endpoint_silence_ms",
    )
    yield (
        settings.max_utterance_s * 1000 > settings.pre_roll_ms + settings.endpoint_silence_ms,
        "max_utterance_s must be longer than pre_roll_ms and endpoint_silence_ms together",
    )


def _addresses(settings: Settings) -> Iterator[tuple[bool, str]]:
    yield (
        (settings.ops_port or 0) + settings.workers - 1 <= _LAST_PORT,
        f"ops_port and one more for each of the workers must not be above {_LAST_PORT}",
    )
    yield (
        not _ports_meet(settings),
        "port must be neither ops_port nor one of those that follow it for more workers",
    )


def _ports_meet(settings: Settings) -> bool:
    """Whether one address would be asked for twice; where a name hides that, listening finds it out."""
    hosts = {settings.host, settings.ops_host}
    return (
        settings.uds is None
        and bool(settings.ops_port and 0 <= settings.port - settings.ops_port < settings.workers)
        and settings.port > 0
        and (len(hosts) == 1 or not hosts.isdisjoint(_EVERYWHERE))
    )
