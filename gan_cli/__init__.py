"""gan_cli: a runner for GAN experiments, from the command line and from Python.

From Python, ``train`` trains a run and returns it, ``open`` opens one, ``runs`` opens all of a folder; a ``Run`` has
the files and the model of a run as values and methods, and a ``Callback`` receives what happens in one. Mistakes are
raised as the exceptions of ``gan_cli.errors``. docs/python.md shows all of it. Importing this package loads no torch.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os

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
    "train": "interface.functions",
}


class _RunsPackage(ModuleType):
    """The package ``gan_cli.runs``, which has the name of a public function, and is called as that one."""

    def __call__(self, folder: str | os.PathLike[str] = "outputs") -> list[Run]:
        """Open all runs at and below a folder; see :func:`gan_cli.interface.functions.runs`."""
        from gan_cli.interface import functions

        return functions.runs(folder)


# Whatever imports a module of that package binds its name here: so the package itself has to be what is called.
importlib.import_module("gan_cli.runs").__class__ = _RunsPackage


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
    return sorted({*_MODULES, "errors", "runs", *(name for name in globals() if name.startswith("__"))})
