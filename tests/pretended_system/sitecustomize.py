"""Takes away fcntl, resource, users, FIFOs, fork, most signals and symbolic links.

Modules of gan_cli and of filelock find these modules missing, and these names in no module; other libraries, such as
torch, were built for this system and keep them. ``fork`` is not the way in which processes start, and nobody makes a
symbolic link, as on Windows without the privilege for it, or a FIFO.
"""

from __future__ import annotations

import builtins
import errno
import multiprocessing
import os
import signal
import types
from collections.abc import Mapping
from typing import Any, NoReturn

MODULES = frozenset({"fcntl", "grp", "pwd", "resource", "termios"})
NAMES: Mapping[types.ModuleType, frozenset[str]] = {
    os: frozenset(
        {"O_NONBLOCK", "fork", "forkpty", "geteuid", "getgid", "getloadavg", "getuid", "killpg", "mkfifo"}
        | {"register_at_fork", "sched_getaffinity", "setsid", "sync", "sysconf"}
    ),
    signal: frozenset(
        {"SIGALRM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU", "alarm", "pthread_sigmask", "setitimer", "sigwait"}
    ),
}
_ORIGINAL = {(module, name): getattr(module, name, None) for module, names in NAMES.items() for name in names}
_import = builtins.__import__


class _Lacking(types.ModuleType):
    """A module without some of its names, unless a test has set them; all others are those of the real one."""

    def __init__(self, module: types.ModuleType) -> None:
        super().__init__(module.__name__)
        self.__dict__["_real"] = module

    def __getattr__(self, name: str) -> Any:
        real = self.__dict__["_real"]
        if name in NAMES[real] and getattr(real, name, None) is _ORIGINAL[real, name]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)
        return getattr(real, name)


_LACKING = {module.__name__: _Lacking(module) for module in NAMES}


def _import_without(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Any = (),
    level: int = 0,
) -> types.ModuleType:
    importer = str((globals or {}).get("__name__"))
    if not level and importer.startswith(("gan_cli", "filelock")):
        if name in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in _LACKING:
            return _LACKING[name]
    return _import(name, globals, locals, fromlist, level)


class AbsentError(OSError):
    """What making a symbolic link or a FIFO ends in."""


def _absent(*arguments: object, **_: object) -> NoReturn:
    raise AbsentError(errno.EPERM, "a required privilege is not held by the client", str(arguments[-1]))


builtins.__import__ = _import_without
os.symlink = os.mkfifo = _absent
multiprocessing.set_start_method("spawn", force=True)
