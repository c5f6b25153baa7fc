"""The interface itself: as small as it is said to be."""

from __future__ import annotations

from earful.models.base import ASRModel
from earful.models.mock import MockASRModel


def test_the_interface_is_two_methods() -> None:
    """Everything else is optional, and no part of the type."""
    assert ["finalize", "transcribe_chunk"] == sorted(name for name in vars(ASRModel) if not name.startswith("_"))


def test_the_mock_fits() -> None:
    """For the type checker, which reads this line too."""
    model: ASRModel = MockASRModel()
    assert model is not None
