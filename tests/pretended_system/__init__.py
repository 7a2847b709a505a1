"""A system that lacks what only Unix has, as Windows does: for the modules of gan_cli and of filelock, on any machine.

``make test-portable``, or ``python -m pytest -p tests.pretended_system.plugin PATH``: the quick tests there.
"""

from pathlib import Path

# Holds sitecustomize.py, which Python loads before all else where this folder is on PYTHONPATH.
FOLDER = Path(__file__).parent
