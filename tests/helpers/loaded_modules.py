"""``python -m tests.helpers.loaded_modules FILE COMMAND ARGUMENTS``: a command, and a list of the modules it loads."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    file, command, *sys.argv[1:] = sys.argv[1:]
    try:
        importlib.import_module(f"gan_cli.cli.{command}").main()
    finally:
        Path(file).write_text(json.dumps(sorted(sys.modules)))
