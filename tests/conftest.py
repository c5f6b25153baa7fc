"""What holds for every test: hypothesis without a clock, since pytest's own timeout bounds a test, and one earful.

Processes that tests start import the same earful as the tests do: the tree, or what is installed.
"""

from __future__ import annotations

import os
import signal

from hypothesis import settings
from tests.support.server import PATHS

# A shell's background job ignores Ctrl-C, and whatever it starts inherits that; what is tested here must not.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
os.environ["PYTHONPATH"] = os.pathsep.join([*PATHS, *filter(None, [os.environ.get("PYTHONPATH")])])
