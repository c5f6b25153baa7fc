"""What the settings mean: units, percentages, and what is switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from earful.engine.pool import ProcessRules
from earful.limits import ladder_rules, process_rules, registry_limits, upload_limits
from earful.service.ladder import NEVER
from earful.settings import Settings

if TYPE_CHECKING:
    from earful.service.ladder import Steps


@pytest.mark.parametrize(
    ("lag_ms", "percent", "steps", "filled"),
    [
        (500, 90, (0.5, 1.0, 2.0, 4.0), (0.9, 0.9, 0.9, 0.95)),
        (100, 50, (0.1, 0.2, 0.4, 0.8), (0.5, 0.5, 0.5, 0.75)),
        (0, 0, NEVER, NEVER),
    ],
)
def test_the_ladders_steps(lag_ms: int, percent: int, steps: Steps, filled: Steps) -> None:
    """Lags double, memory fills up, and 0 asks for nothing."""
    settings = Settings(overload_lag_ms=lag_ms, overload_loop_lag_ms=2 * lag_ms, overload_memory_percent=percent)
    rules = ladder_rules(settings)
    assert pytest.approx(steps) == rules.audio_lag_s
    assert pytest.approx(tuple(2 * step for step in steps)) == rules.loop_lag_s
    assert pytest.approx(filled) == rules.memory_share


def test_shares_of_a_worker() -> None:
    """Percentages of a core, of the model's time and of its places, of which a part is still one."""
    settings = Settings(max_sessions=105, resume_reserve=10, overload_cpu_percent=75, model_load_percent=60)
    limits = registry_limits(settings)
    assert (105, 11, 0.75, 0.6) == (
        limits.max_sessions,
        limits.resume_reserve,
        limits.max_loop_load,
        limits.max_model_load,
    )


def test_processes_of_the_model() -> None:
    """None where it has none; their memory in bytes."""
    assert None is process_rules(Settings(model_processes=0))
    assert ProcessRules(2, 1_500_000_000) == process_rules(Settings(model_processes=2, model_process_max_mb=1500))


def test_an_uploads_length() -> None:
    """As the settings have it."""
    assert 90.0 == upload_limits(Settings(max_upload_s=90)).max_upload_s
