"""Settings for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# The tests' pictures are small: a second thread costs more in waiting than it brings.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline: how long an example takes says more about the machine than about the code.
settings.register_profile("local", deadline=None)
# The same examples in every run, so that a change is judged by what it changes.
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
