"""OpenMP settings of the commands, for benchmarks that compute in their own process."""

from __future__ import annotations

import os
import sys

from gan_cli.runtime.openmp import OPENMP_SETTINGS


def restart_with_settings() -> None:
    """Start this process again with the OpenMP settings of the commands, unless it has others or these.

    OpenMP reads them when torch is loaded: without them, two threads wait for each other in another way than in
    ``gan-train``, for a third longer on small networks.
    """
    missing = {name: value for name, value in OPENMP_SETTINGS.items() if name not in os.environ}
    if missing:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **missing})
