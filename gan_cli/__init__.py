"""gan_cli: a runner for GAN experiments, from the command line and from Python.

From Python, ``train`` trains a run and returns it, ``open`` opens one, ``runs`` opens all of a folder; a ``Run`` has
the files and the model of a run as values and methods, and a ``Callback`` receives what happens in one. Mistakes are
raised as the exceptions of ``gan_cli.errors``. docs/python.md shows all of it. Importing this package loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_cli import errors as errors
    from gan_cli.interface.functions import open as open
    from gan_cli.interface.functions import runs as runs
    from gan_cli.interface.functions import train as train
    from gan_cli.interface.run import Run as Run
    from gan_cli.protocols.callbacks import Callback as Callback

__version__ = "0.2.0"

# Public names -> module that has them; imported when they are used first.
_MODULES = {
    "Callback": "protocols.callbacks",
    "Run": "interface.run",
    "open": "interface.functions",
    "runs": "interface.functions",
    "train": "interface.functions",
}


if not TYPE_CHECKING:  # or else every name would be there for a type checker

    def __getattr__(name: str) -> Any:
        """Import a public name, or the module of errors, when it is used first."""
        if name == "errors":
            return importlib.import_module("gan_cli.errors")
        if name not in _MODULES:
            raise AttributeError(f"module 'gan_cli' has no attribute {name!r}")
        value = getattr(importlib.import_module(f"gan_cli.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names, also those that are not imported yet."""
    return sorted({*_MODULES, "errors", *(name for name in globals() if name.startswith("__"))})
