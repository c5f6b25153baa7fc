"""What holds for every test: hypothesis without a clock, since pytest's own timeout bounds a test."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
