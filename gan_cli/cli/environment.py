"""The block of ``gan-train --version --verbose``, to be pasted into an issue. Torch is imported here alone."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version

from gan_cli import __version__
from gan_cli.data.cache import DEFAULT_ROOT, ROOT_VARIABLE
from gan_cli.errors import printable
from gan_cli.runtime.cpu_contention import own_cores
from gan_cli.runtime.host import processor_name

PACKAGES = ("hydra-core", "omegaconf", "numpy", "pillow", "tensorboard")


def verbose_version() -> str:
    """Return versions, system, processor, threads, devices and data root, a line each."""
    torch, *of_torch = _torch_lines()
    lines = (
        ("gan_cli", __version__),
        ("python", f"{platform.python_version()} ({platform.python_implementation()})"),
        torch,
        *((name, _version(name)) for name in PACKAGES),
        ("system", platform.platform()),
        ("processor", processor_name()),
        ("cores", f"{own_cores()} of {os.cpu_count()}"),
        *of_torch,
        ("data root", _data_root()),
    )
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {printable(value)}" for name, value in lines)


def _version(package: str) -> str:
    try:
        return installed_version(package)
    except PackageNotFoundError:
        return "not installed"


def _torch_lines() -> Iterator[tuple[str, str]]:
    """Yield what torch knows, its version first; its absence or failure, too, is a fact that belongs into an issue.

    The version is that of the build (``2.13.0+cpu``), which the metadata of a wheel need not tell.
    """
    try:
        import torch
    except (ImportError, OSError) as error:
        yield "torch", _version("torch")
        yield "devices", f"torch cannot be imported: {error}"
        return
    yield "torch", torch.__version__
    yield "threads", f"{torch.get_num_threads()} of torch"
    yield "devices", ", ".join(("cpu", *_accelerators()))


def _accelerators() -> Iterator[str]:
    """Yield the devices beside the CPU, as ``cuda:0 (its name, CUDA 13.0)`` and ``mps``."""
    import torch

    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        yield f"cuda:{index} ({torch.cuda.get_device_name(index)}, CUDA {torch.version.cuda})"
    if torch.backends.mps.is_available():
        yield "mps"


def _data_root() -> str:
    typed = os.environ.get(ROOT_VARIABLE)
    return f"{typed} ({ROOT_VARIABLE})" if typed else f"{DEFAULT_ROOT} (the default; {ROOT_VARIABLE} is not set)"
