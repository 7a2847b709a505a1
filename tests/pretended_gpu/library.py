"""The compiled library behind the pretended device, kept from one test run to the next."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

SOURCES = [Path(__file__).with_name(name) for name in ("device.cpp", "calls.h", "waiting.h", "generators.h")]
FLAGS = ("-O0", "-shared", "-fPIC", "-std=c++20")


def _torch_folder() -> Path:
    found = importlib.util.find_spec("torch")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent


def why_not() -> str | None:
    """The reason why it cannot be had on this machine; None where it can."""
    if shutil.which("g++") is None:
        return "needs g++, to compile the pretended device"
    if any((_torch_folder() / "lib").glob("libtorch_cuda*")):
        return "needs a CPU build of torch: a CUDA build has devices of its own"
    return None


def compiled() -> Path:
    """Compile the library, in ten seconds, where it is not there for this source and this torch."""
    torch, version = _torch_folder(), importlib.metadata.version("torch")
    key = hashlib.sha256(
        "\n".join((*(path.read_text() for path in SOURCES), version, str(torch), *FLAGS)).encode()
    ).hexdigest()[:16]
    path = Path("~/.cache/gan_cli/pretended_gpu").expanduser() / f"{key}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        libraries = ("-L", torch / "lib", f"-Wl,-rpath,{torch / 'lib'}", "-lc10", "-ltorch_cpu")
        subprocess.run(["g++", *FLAGS, "-I", torch / "include", SOURCES[0], *libraries, "-o", unfinished], check=True)
        unfinished.rename(path)
    return path
