"""All probes by name, the most likely faults first."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.gpu.probes import graphs, numerics, states, whole_commands
from benchmarks.gpu.probes.answer import Probe

PROBES: Mapping[str, Probe] = {
    probe.__name__: probe
    for probe in (
        graphs.failed_capture,
        numerics.against_cpu,
        states.resumed_elsewhere,
        numerics.deterministic,
        numerics.cublas_workspace,
        numerics.bf16_rule,
        graphs.kinds_of_steps,
        states.snapshots,
        graphs.streamed,
        graphs.captured_anew,
        whole_commands.commands,
        whole_commands.warned,
        graphs.replay_cost,
    )
}
