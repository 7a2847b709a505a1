"""Count the work of a training step on a GPU, without a GPU: launches, bytes and floating-point operations.

    python benchmarks/launches.py dcgan64_b128 mlp_wgan sngan32 ring8_x64
    python benchmarks/launches.py --overrides dataset=ring8 loss=wgan_gp

The steps run on the pretended device of the tests (``tests/pretended_gpu``), where tensors have the device, precision
and optimizers of CUDA and are computed by the CPU. What is counted is therefore exact in number of operations, and an
estimate of what a GPU does: one launch for each operation but views, one for each gradient of a convolution, a few for
an operation on lists of tensors; bytes are those of all operands, read or written once for each operation, as if
nothing stayed in a cache. The floors are bytes and operations over the speeds of an H200, and launches over the rate at
which a captured graph issues them; no time in the table has been measured.
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.formatting import heading, row
from benchmarks.recipes import CONF_DIR
from tests.pretended_gpu.device import PretendedDevice
from tests.pretended_gpu.library import compiled, why_not

if TYPE_CHECKING:
    from torch.utils._python_dispatch import TorchDispatchMode

# Of an H200: memory that a kernel reaches, matrix products in bf16, launches of a captured graph.
BYTES_PER_SECOND = 4.3e12
FLOPS_PER_SECOND = 780e12
LAUNCHES_PER_SECOND = 1e6
# Overrides of a step that is worth counting, by the name of its row.
ROWS: Mapping[str, Sequence[str]] = {
    "dcgan64_b128": ("experiment=bench_dcgan64", "train.batch_size=128"),
    "mlp_wgan": ("experiment=bench_mlp_wgan", "loss.warmup.enabled=false"),
    "sngan32": ("experiment=bench_sngan32",),
    "ring8_x64": ("dataset=ring8", "train.replicas=64"),
}
WARMUP_STEPS = 2
# Chunks of 65,536 elements, and tensors, that one launch for a list of tensors takes; by torch's multi_tensor_apply.
CHUNK, CHUNKS_PER_LAUNCH, TENSORS_PER_LAUNCH = 65536, 320, 36
# Operations that start no kernel although they are no views.
FREE = frozenset(
    {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "_unsafe_view", "lift_fresh"}
)


@dataclass
class Work:
    """Work of one step.

    Attributes:
        launches: kernels that are started, by the name of the operation.
        bytes: read and written.
        flops: of matrix products and convolutions.
        generators: random streams that a captured step draws from; a replay sets seed and offset of each.
    """

    launches: Counter[str] = field(default_factory=Counter)
    bytes: int = 0
    flops: int = 0
    generators: int = 0


def counting(work: Work) -> TorchDispatchMode:
    """Return a context that adds the operations inside it to ``work``."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    def tensors_of(values: object) -> list[torch.Tensor]:
        return [value for value in tree_leaves(values) if isinstance(value, torch.Tensor)]

    def size(tensor: torch.Tensor) -> int:
        stored = math.prod(count for count, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
        return stored * tensor.element_size()

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            out = function(*args, **kwargs)
            name = function.overloadpacket.__name__
            returned = tensors_of(out)
            if name in FREE or function.is_view or name.startswith("_record_function"):
                return out
            if name.startswith(("_foreach_", "_fused_")):
                launches = _launches_of_list([tensor.numel() for tensor in tensors_of(args[0])])
                launches *= 2 if name == "_foreach_norm" else 1
            elif name == "convolution_backward":
                launches = sum(args[-1])
            else:
                launches = 1
            work.launches[name] += launches
            changed = [
                tensor
                for value, argument in zip(args, function._schema.arguments, strict=False)
                if argument.alias_info is not None and argument.alias_info.is_write
                for tensor in tensors_of(value)
            ]
            written = {id(tensor): tensor for tensor in (*changed, *returned)}.values()
            work.bytes += sum(map(size, tensors_of((args, kwargs)))) + sum(map(size, written))
            if function.overloadpacket in flop_registry:
                work.flops += flop_registry[function.overloadpacket](*args, **kwargs, out_val=out)
            return out

    return Counting()


def _launches_of_list(sizes: Sequence[int]) -> int:
    chunks = sum(math.ceil(count / CHUNK) for count in sizes)
    return max(1, math.ceil(chunks / CHUNKS_PER_LAUNCH), math.ceil(len(sizes) / TENSORS_PER_LAUNCH))


def count(overrides: Sequence[str]) -> Work:
    """Count a step of a run with these overrides on the pretended device, which must be there."""
    from gan_cli.config.compose import compose, register
    from gan_cli.runtime.device import Device
    from gan_cli.training import builder, planning

    work, generators_of = Work(), list[Callable[[], Sequence[object]]]()

    def without_recorder(self: Device, rng_generators: Callable[[], Sequence[object]]) -> None:
        generators_of.append(rng_generators)

    Device.recorder = without_recorder  # type: ignore[method-assign, assignment]
    register()
    plan = planning.plan(compose(["device=cuda", *overrides], CONF_DIR).config)
    make = builder.assemble_replicas if plan.config.train.replicas > 1 else builder.assemble
    algorithm = make(plan)
    for step in range(WARMUP_STEPS):
        algorithm.update(step)
    with counting(work):
        algorithm.update(WARMUP_STEPS)
    work.generators = len(set(map(id, generators_of[-1]())))
    return work


def main() -> None:
    """Count the steps that are asked for, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"any of {', '.join(ROWS)} [all]")
    parser.add_argument("--overrides", nargs="+", help="one row of a configuration of your own instead")
    parser.add_argument("--by-operation", action="store_true", help="print the launches by operation, too")
    arguments = parser.parse_args()
    reason = why_not()
    if reason is not None:
        parser.error(reason)
    unknown = set(arguments.rows) - set(ROWS)
    if unknown:
        parser.error(f"ROW: expected any of {', '.join(ROWS)}, got {', '.join(sorted(unknown))}")
    rows = {name: ROWS[name] for name in arguments.rows or ROWS}
    if arguments.overrides:
        rows = {"overrides": arguments.overrides}
    PretendedDevice(compiled())
    floors_of = "bytes", "FLOP", "launches"
    print(heading(["step", "launches", "fills before a replay", "MB", "GFLOP", f"floor by {', '.join(floors_of)}, ms"]))
    for name, overrides in rows.items():
        work = count(overrides)
        launches, fills = work.launches.total(), 2 * work.generators
        floors = (work.bytes / BYTES_PER_SECOND, work.flops / FLOPS_PER_SECOND, launches / LAUNCHES_PER_SECOND)
        numbers = (f"{launches:,}", f"{fills:,}", f"{work.bytes / 1e6:,.1f}", f"{work.flops / 1e9:,.2f}")
        print(row([name, *numbers, ", ".join(f"{1e3 * floor:.3f}" for floor in floors)]), flush=True)
        if arguments.by_operation:
            for operation, launches in work.launches.most_common():
                print(f"    {launches:6,} {operation}")


if __name__ == "__main__":
    main()
