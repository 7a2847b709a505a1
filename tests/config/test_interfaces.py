"""A class that is not of a group's kind is never constructed from a file: the class is asked, for every group."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from gan_cli.components.losses import Hinge
from gan_cli.components.noise import Adaptive
from gan_cli.components.regularizers import R1, WeightClipping
from gan_cli.components.schedules import Linear
from gan_cli.config.compose import compose, register
from gan_cli.config.interfaces import lacking, may_be_instance
from gan_cli.config.nodes import Node
from gan_cli.errors import ConfigError
from gan_cli.protocols.adversarial import Augmentation, Constraint, NoiseLevel, Objective, Penalty
from gan_cli.protocols.algorithm import Schedule
from gan_cli.training.planning import plan
from tests.helpers.options import option_nodes

CONSTRUCTED: list[str] = []


class Recorder:
    """A class of no kind that records what is constructed."""

    def __init__(self, **parameters: object) -> None:
        CONSTRUCTED.append(type(self).__name__)


class Encoder(nn.Module):
    """A module, which can be called with anything, as far as its class shows."""

    def __init__(self, width: int = 1) -> None:
        CONSTRUCTED.append(type(self).__name__)
        super().__init__()

    def forward(self, samples: Tensor) -> Tensor:
        return samples


class Pretender(Recorder):
    """A class with methods of many interfaces by their names, and other parameters."""

    licence: ClassVar[str] = ""
    weight, every, latent_dim, shape, classes, boundary = 1.0, 1, 1, (1,), 0, None

    def __call__(self, first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        return first

    load = generator = discriminator = d_loss = g_loss = score = divergence = bind = estimate = betas = transition = (
        project
    ) = encoder = decoder = language_model = denoiser = observe = place = set_step = __call__


# What each group is of: a recipe, and the key of a node of it.
GROUPS: Mapping[str, tuple[list[str], str]] = {
    "dataset": ([], "dataset"),
    "architecture": ([], "architecture"),
    "algorithm": ([], "algorithm"),
    "algorithm/beta": (["algorithm=vae"], "algorithm.beta"),
    "algorithm/likelihood": (["algorithm=vae"], "algorithm.likelihood"),
    "algorithm/schedule": (["algorithm=diffusion"], "algorithm.schedule"),
    "algorithm/reverse": (["algorithm=diffusion"], "algorithm.reverse"),
    "algorithm/estimator": (["algorithm=seqgan", "dataset=oracle"], "algorithm.estimator"),
    "loss": ([], "loss.objective"),
    "loss/penalty": (["loss/penalty=r1"], "loss.penalty.r1"),
    "loss/anneal": (["loss=wgan_gp", "loss/anneal=linear"], "loss.anneal"),
    "loss/top_k": (["loss/top_k=exponential"], "loss.top_k"),
    "noise": (["noise=linear"], "noise"),
    "augment": (["augment=ada"], "augment"),
    "optimizer": ([], "optimizer"),
    "optimizer/decay": (["optimizer/decay=linear"], "optimizer.decay"),
    "callback": ([], "callback.mine"),
    "logger": ([], "logger.mine"),
}
# Nodes inside the options of a group.
INNER = {
    "loss.constraint": (["loss=wgan"], "loss.constraint"),
    "temperature": (
        ["algorithm=seqgan", "dataset=oracle", "algorithm/estimator=gumbel"],
        "algorithm.estimator.temperature",
    ),
    "reader_model": (["algorithm=seqgan", "dataset=oracle"], "architecture.reader_model"),
}


def test_every_group_is_listed() -> None:
    groups = {file.rpartition("/")[0] for file, *_ in option_nodes()}
    assert {group for group in groups if group.partition("/")[0] not in ("hydra", "experiment", "sweep", "")} <= set(
        GROUPS
    )


@pytest.mark.parametrize("target", [Recorder, Encoder, Pretender, nn.Linear, torch.optim.SGD])
@pytest.mark.parametrize("group", [*GROUPS, *INNER])
def test_class_of_another_kind_is_never_constructed(group: str, target: type, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, key = {**GROUPS, **INNER}[group]
    monkeypatch.setenv("GAN_PLUGINS", __name__)
    for foreign in (nn.Linear, torch.optim.SGD):
        monkeypatch.setattr(foreign, "__init__", lambda self, *_, **__: CONSTRUCTED.append(type(self).__name__))
    CONSTRUCTED.clear()
    register()
    config: Any = OmegaConf.to_container(compose(recipe).config)
    *parents, last = key.split(".")
    node = config
    for parent in parents:
        node[parent] = node[parent] or {}
        node = node[parent]
    node[last] = {"_target_": f"{target.__module__}.{target.__qualname__}"}
    with pytest.raises(ConfigError, match=rf"^{key.split('.')[0]}.*: expected "):
        plan(OmegaConf.create(config))
    assert CONSTRUCTED == []


class Untyped:
    """A schedule without annotations, as a user may write one."""

    def __call__(self, step):  # type: ignore[no-untyped-def]
        return 1.0


class OfSteps(nn.Module):
    """A module that is a schedule."""

    def forward(self, step: int) -> float:
        return 1.0


class AnyArguments:
    """A schedule that takes whatever it is given."""

    def __call__(self, *values: Any) -> float:
        return 1.0


@pytest.mark.parametrize("target", [Linear, Untyped, OfSteps, AnyArguments])
def test_class_of_the_kind_is_admitted(target: type) -> None:
    assert may_be_instance(target, Schedule)


@pytest.mark.parametrize(
    ("target", "kind", "expected"),
    [
        (Hinge, Objective, True),
        (R1, Penalty, True),
        (R1, Schedule, False),
        (Linear, Penalty, False),
        (Adaptive, NoiseLevel, True),
        (Adaptive, Augmentation, False),
        (WeightClipping, Constraint, True),
        (nn.Linear, Schedule, False),
        (nn.Linear, Penalty, False),
        (nn.Bilinear, Constraint, False),
        (object, Schedule, False),
    ],
)
def test_kinds_of_classes(target: type, kind: type, expected: bool) -> None:
    assert may_be_instance(target, kind) is expected


class HalfAnObjective:
    """A loss of a user's own with half of what a loss has."""

    score_name: ClassVar[str] = "margin"
    ceiling: ClassVar[float | None] = None
    relativistic: ClassVar[bool] = False
    boundary = None

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return real - fake

    def g_loss(self, fake: Tensor) -> Tensor:
        return -fake


def test_what_a_class_of_ones_own_lacks_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_PLUGINS", "tests")
    assert lacking(HalfAnObjective, Objective) == [
        "divergence_name",
        "g_loss(real, fake)",
        "divergence(real, fake)",
        "score(logits)",
        "g_choices(fake)",
    ]
    with pytest.raises(ConfigError, match=r"expected Objective, got '.*', which lacks divergence_name, g_loss"):
        Node.parse({"_target_": f"{__name__}.HalfAnObjective"}, "loss.objective", Objective)
