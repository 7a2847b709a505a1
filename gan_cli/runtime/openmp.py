"""Settings of torch's OpenMP, which reads them from the environment when torch is loaded. Imports no torch."""

from __future__ import annotations

import os

# Its threads wait for each other by spinning for milliseconds, which makes a run beside another busy process twenty
# times slower. 3,000 iterations take some 100 microseconds: most waits are over by then, so that a run that has the
# machine to itself loses little.
OPENMP_SETTINGS = {"GOMP_SPINCOUNT": "3000"}


def limit_spinning() -> None:
    """Limit how long threads spin, unless the environment says otherwise; without effect once torch is loaded."""
    for name, value in OPENMP_SETTINGS.items():
        os.environ.setdefault(name, value)
