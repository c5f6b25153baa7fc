"""Tests for models of your own: what every model promises, how fast it is, and how many words it gets wrong."""

from earful.testing.contract import ModelContract, Verdict, judge
from earful.testing.measuring import Figures, measure
from earful.testing.words import word_error_rate

__all__ = ["Figures", "ModelContract", "Verdict", "judge", "measure", "word_error_rate"]
