"""A configuration is parsed once and built once, and everything is asked of what came out of that."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gan_cli.algorithms import spec
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.components.losses import Loss, Relativistic, WarmUp
from gan_cli.components.schedules import Cosine
from gan_cli.config import nodes
from gan_cli.config.compose import compose, register
from gan_cli.config.nodes import Node
from gan_cli.training import compatibility, planning
from gan_cli.training.plan_summary import rows_of_plan, table

SMALL = ("dataset=digits", "device=cpu")


def planned(*overrides: str) -> planning.Plan:
    register()
    return planning.plan(compose([*SMALL, *overrides]).config)


def test_each_target_is_resolved_once_and_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Composition asks the dataset for what is chosen automatically; it is planning that is counted.
    register()
    config = compose([*SMALL, "loss=r3gan", "loss/anneal=cosine", "noise=linear"]).config
    resolved, built = Counter[str](), Counter[str]()
    resolve, build = nodes.resolve, Node.build

    def counted(target: object, path: str) -> type:
        resolved[path] += 1
        return resolve(target, path)

    def counted_build(self: Node, **provided: object) -> Any:
        built[self.path] += 1
        return build(self, **provided)

    for module in (nodes, compatibility, spec):
        monkeypatch.setattr(module, "resolve", counted)
    monkeypatch.setattr(Node, "build", counted_build)
    planning.plan(config)
    parts = {"dataset", "architecture", "loss.objective", "loss.penalty.r1", "loss.penalty.r2", "loss.anneal", "noise"}
    parts |= {"optimizer", "optimizer.decay", "logger.tensorboard"}
    assert resolved == Counter({*parts, "algorithm"})
    assert built == Counter(parts)  # the algorithm needs the data


def test_section_and_nodes_become_one_loss() -> None:
    settings = ("loss.d_steps=3", "loss.reuse=true", "loss.warmup.enabled=true", "loss.warmup.d_steps=7")
    loss = planned("loss=r3gan", "loss/anneal=cosine", *settings).loss
    assert isinstance(loss, Loss)
    assert isinstance(loss.objective, Relativistic)
    assert isinstance(loss.anneal, Cosine)
    assert (sorted(loss.penalties), loss.top_k, loss.constraint, loss.reuse) == (["r1", "r2"], None, None, True)
    assert (loss.d_steps.regular, loss.d_steps.warm_up) == (3, WarmUp(7, first=25, every=500))
    assert planned().loss.d_steps.warm_up is None


def test_algorithm_without_a_d_has_no_loss_and_is_not_built_before_data_are_read() -> None:
    plan = planned("algorithm=vae")
    assert plan.loss is None
    assert plan.algorithm.arguments.keys() >= {"likelihood", "beta"}
    assert planned().family is GANTrainer


def test_summary_has_a_line_for_every_part() -> None:
    rows = rows_of_plan(planned("loss=wgan", "noise=linear"))
    lines = table(rows).splitlines()
    assert [name.strip() for name in rows] == [
        *("algorithm", "dataset", "architecture", "generator", "discriminator", "classes", "loss", "penalties"),
        *("noise", "augment", "optimizer", "memory", "device", "train", "seed"),
    ]
    assert "Wasserstein, D steps per G step: 5, constraint: WeightClipping(c=0.01)" in lines[6]
    assert "binarise=stochastic" in table(rows_of_plan(planned("algorithm=vae"))).splitlines()[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ("architecture=mlp_small",),
        ("architecture=dcgan", "conditional=true"),
        ("algorithm=vae", "architecture=vae_conv", "architecture.width=8"),
        ("algorithm=diffusion", "architecture=denoiser_mlp", "dataset=ring8"),
        ("algorithm=seqgan", "architecture=lstm", "dataset=oracle"),
    ],
)
def test_flops_of_networks_built_on_the_cpu_are_those_of_the_outline(overrides: tuple[str, ...]) -> None:
    """As torch counts them on the meta device; planning leaves torch's generator as it was."""
    before = torch.get_rng_state()
    plan = planned(*overrides)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        plan.outline.run()
    sizes = spec.Sizes.before_loading(plan.config, plan.dataset)
    flops = [planning._count_forward(plan.family, plan.architecture, sizes, plan.outline).flops]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "MAX_WEIGHTS_BUILT", 0)
        flops.append(planning._count_forward(plan.family, plan.architecture, sizes, plan.outline).flops)
    assert flops == [counter.get_total_flops()] * 2
