"""What holds for every test: hypothesis without a clock, since pytest's own timeout bounds a test, and one earful.

Processes that tests start import the same earful as the tests do: the tree, or what is installed.
"""

from __future__ import annotations

import os

from hypothesis import settings
from tests.support.server import PATHS

settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
os.environ["PYTHONPATH"] = os.pathsep.join([*PATHS, *filter(None, [os.environ.get("PYTHONPATH")])])
