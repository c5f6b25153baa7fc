"""The interface itself: as small as it is said to be."""

from __future__ import annotations

from earful.models.base import ASRModel, BatchModel
from earful.models.mock import MockASRModel
from earful.models.mock_batch import MockBatchModel


def test_the_interface_is_two_methods() -> None:
    """Everything else is optional, and no part of the type."""
    assert ["finalize", "transcribe_chunk"] == sorted(name for name in vars(ASRModel) if not name.startswith("_"))


def test_the_mock_fits() -> None:
    """For the type checker, which reads this line too."""
    model: ASRModel = MockASRModel()
    assert model is not None


def test_a_batch_model_is_one_method() -> None:
    """And the batched mock has it."""
    model: BatchModel = MockBatchModel()
    assert ["step"] == sorted(name for name in vars(type(model).__mro__[0]) if not name.startswith("_"))
    assert ["step"] == sorted(name for name in vars(BatchModel) if not name.startswith("_"))
