"""Workloads whose speed is measured: recipes, their tiny forms for dry runs, and plain loops of the same work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.gpu.setting import Setting
from benchmarks.recipes import WORKLOADS as RECIPES

RING8 = (
    *("dataset=ring8", "train.batch_size=64", "train.log_every=1000"),
    *("architecture.generator_hidden=[128,128]", "architecture.discriminator_hidden=[128,128]"),
)
TINY_MLP = ("architecture.generator_hidden=[16]", "architecture.discriminator_hidden=[16]")
REPLICAS = 64


@dataclass(frozen=True)
class Workload:
    """Networks, data and updates whose speed is measured.

    Attributes:
        overrides: of the run.
        tiny: more of them, for tiny sizes.
        loss: of the plain loop: ``wgan``, ``hinge`` or ``jsd``.
        d_steps: updates of D for one of G in the plain loop.
        bf16: whether the plain loop computes under autocast in bf16; otherwise in float32 with TF32.
        replicas: number of runs that are trained as one beside the single one; 0: none.
        streamed: whether steps on data that are streamed from the host are measured, too.
    """

    overrides: tuple[str, ...]
    tiny: tuple[str, ...]
    loss: str
    d_steps: int = 1
    bf16: bool = True
    replicas: int = 0
    streamed: bool = False

    def options(self, setting: Setting) -> tuple[str, ...]:
        """Return the overrides of a setting's sizes; a longer warm-up of D would be no regular step."""
        return (*self.overrides, "loss.warmup.enabled=false", *(self.tiny if setting.tiny else ()))

    @property
    def unit(self) -> str:
        """The unit of its rate: real images that D sees, or where runs are compared in number, their steps."""
        return "steps/s" if self.replicas else "images/s"


DCGAN = RECIPES["dcgan64"]
TINY_DCGAN = ("architecture.width=4", "train.batch_size=8", "dataset.size=32")
WORKLOADS: Mapping[str, Workload] = {
    "dcgan64_b128": Workload((*DCGAN, "train.batch_size=128"), TINY_DCGAN, "jsd", streamed=True),
    "dcgan64_b512": Workload((*DCGAN, "train.batch_size=512"), TINY_DCGAN, "jsd"),
    "mlp_wgan": Workload(RECIPES["mlp_wgan"], TINY_MLP, "wgan", d_steps=5, bf16=False),
    "sngan32": Workload(
        ("experiment=bench_sngan32",),
        ("architecture.width_g=4", "architecture.width_d=4", "train.batch_size=8"),
        "hinge",
        d_steps=5,
    ),
    "ring8": Workload(RING8, TINY_MLP, "jsd", bf16=False, replicas=REPLICAS),
}
