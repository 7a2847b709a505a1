"""The tests."""

import os

# Before torch is loaded: tests run in several processes, whose threads would fight for the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
