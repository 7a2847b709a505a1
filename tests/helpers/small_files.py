"""``gan-train`` that cannot write a file beyond a size: ``python -m tests.helpers.small_files BYTES ARGUMENTS``.

The limit stands in for the end of the disk: writes fail in the same place.
"""

from __future__ import annotations

import resource
import sys

from gan_cli.cli import train

if __name__ == "__main__":
    limit = int(sys.argv.pop(1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    train.main()
