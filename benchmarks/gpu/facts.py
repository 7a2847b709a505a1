"""Step ``facts``: card, driver and versions, and the rates that a step can reach at most on this card."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Callable

import torch

from benchmarks.gpu import runs
from benchmarks.gpu.setting import Setting, step_parser
from benchmarks.machine import cpu_model

PACKAGES = ("torch", "triton", "numpy", "hydra-core", "omegaconf", "tensorboard", "protobuf", "pytest")
SMI = ("name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "power.limit", "memory.used")
TIMES = 5
# Launches in a row, each of next to no work.
LAUNCHES = 1000


def main() -> None:
    """Run the step."""
    setting = Setting.of(step_parser(__doc__).parse_args())
    found = setting.findings("facts")
    found.add("versions", values=versions())
    with found.keep_error("card"):
        found.add("card", values=card(setting.device))
    with found.keep_error("host"):
        found.add("host", values={"cpu": cpu_model(), "cores": os.cpu_count(), "kernel": platform.release()})
    for name, dtype, precision in (
        ("bf16", torch.bfloat16, "highest"),
        ("tf32", torch.float32, "high"),
        ("fp32", torch.float32, "highest"),
    ):
        with found.keep_error(f"products_{name}"):
            found.add(f"products_{name}", values={"tflops": product_rate(setting, dtype, precision) / 1e12})
    with found.keep_error("copy"):
        found.add("copy", values={"gigabytes_per_second": copy_rate(setting) / 1e9})
    with found.keep_error("launch"):
        found.add("launch", values=launches(setting))


def versions() -> dict[str, object]:
    """Return the versions of Python and of packages, None for those that are not there."""
    found: dict[str, object] = {"python": platform.python_version(), "cuda": torch.version.cuda}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def card(device: str) -> dict[str, object]:
    """Describe the GPU, as torch and as the driver see it."""
    if device == "cpu":
        return {"name": "none (dry run)"}
    properties = torch.cuda.get_device_properties(0)
    found = {
        "name": torch.cuda.get_device_name(0),
        "capability": ".".join(map(str, torch.cuda.get_device_capability(0))),
        "gigabytes": round(properties.total_memory / 1e9, 1),
        "cudnn": torch.backends.cudnn.version(),
    }
    return {**found, **driver()}


def driver() -> dict[str, str]:
    """Ask the driver's own tool; empty where it does not answer."""
    command = ["nvidia-smi", f"--query-gpu={','.join(SMI)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    first = done.stdout.splitlines()[0].split(", ")
    return dict(zip((name.replace(".", "_") for name in SMI[1:]), first[1:], strict=False))


def best(act: Callable[[], object]) -> float:
    """Return the shortest time of several calls, after one that chooses kernels."""
    runs.seconds(act)
    return min(runs.seconds(act) for _ in range(TIMES))


def product_rate(setting: Setting, dtype: torch.dtype, precision: str) -> float:
    """Return the FLOP/s of products of square matrices."""
    size = setting.pick(8192, 256)
    torch.set_float32_matmul_precision(precision)
    a, b = torch.randn(2, size, size, device=setting.device).to(dtype)
    return 2 * size**3 / best(lambda: torch.mm(a, b))


def copy_rate(setting: Setting) -> float:
    """Return the bytes per second of a copy on the device, read and written ones together."""
    count = setting.pick(2**32, 2**22)
    source = torch.zeros(count, dtype=torch.uint8, device=setting.device)
    target = torch.empty_like(source)
    return 2 * count / best(lambda: target.copy_(source))


def launches(setting: Setting) -> dict[str, float]:
    """Return the microseconds of a launch of next to no work: one by one, and in a CUDA graph."""
    small = torch.zeros(64, device=setting.device)

    def launch() -> None:
        for _ in range(LAUNCHES):
            small.add_(1)

    found = {"eager_microseconds": 1e6 * best(launch) / LAUNCHES}
    if setting.device == "cuda":
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, torch.cuda.graph_pool_handle(), torch.cuda.Stream(), "thread_local"):
            launch()
        found["graphed_microseconds"] = 1e6 * best(graph.replay) / LAUNCHES
    return found


if __name__ == "__main__":
    main()
