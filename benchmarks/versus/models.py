"""The models that are compared, by their recipes, and the samplers and networks of a trained one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from torch import nn

from benchmarks.claims.claim import Arm
from benchmarks.claims.harness import Run
from gan_cli.algorithms.diffusion.inference import TrainedDenoiser
from gan_cli.evaluation import subjects
from gan_cli.evaluation.subjects import GeneratorSubject
from gan_cli.inference.loading import GeneratorWeights
from gan_cli.storage.stored_model import RunCheckpoint

# (architecture, shape of a sample) -> network; what the architecture is depends on the model.
BuildNetwork: TypeAlias = Callable[[Any, tuple[int, ...]], nn.Module]


@dataclass(frozen=True)
class Model:
    """A kind of model.

    Attributes:
        title: its name in the page.
        networks: builders of all networks that it trains, by name.
    """

    title: str
    networks: Mapping[str, BuildNetwork]


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "gan": Model(
            "GAN",
            {
                "generator": lambda architecture, shape: architecture.generator(shape, 0),
                "discriminator": lambda architecture, shape: architecture.discriminator(shape, 0),
            },
        ),
        "vae": Model(
            "VAE",
            {
                "decoder": lambda architecture, shape: architecture.decoder(shape),
                "encoder": lambda architecture, shape: architecture.encoder(shape, 2),
            },
        ),
        "diffusion": Model(
            "diffusion model", {"denoiser": lambda architecture, shape: architecture.denoiser(shape, 0)}
        ),
    }
)
DATASETS = ("mnist", "ring8")
ARMS: Mapping[str, Mapping[str, Arm]] = MappingProxyType(
    {dataset: {model: Arm(model, f"versus_{model}_{dataset}") for model in MODELS} for dataset in DATASETS}
)
# Sampling steps of a diffusion model that are tried beside those of its recipe.
FEWER_STEPS = (10, 30)


def count_parameters(model: str, run: Run) -> dict[str, int]:
    """Return the numbers of parameters of all networks that a run trained, by name."""
    plan = run.plan
    built = {name: build(plan.architecture, plan.dataset.shape) for name, build in MODELS[model].networks.items()}
    return {name: sum(each.numel() for each in network.parameters()) for name, network in built.items()}


def trained_subjects(model: str, run: Run) -> dict[str, GeneratorSubject]:
    """Load the averaged networks of a run: by the model's name, and for a diffusion model also with fewer steps."""
    subject = subjects.from_run(RunCheckpoint(run.directory), GeneratorWeights.average)
    found, trained = {model: subject}, subject.trained
    if isinstance(trained, TrainedDenoiser):
        for steps in FEWER_STEPS:
            found[with_steps(model, steps)] = replace(subject, trained=change_steps(trained, steps))
    return found


def change_steps(trained: TrainedDenoiser, steps: int) -> TrainedDenoiser:
    """Return the same denoiser with another number of sampling steps."""
    settings = replace(trained.settings, sampling_steps=steps)
    return replace(trained, settings=settings, facts={**trained.facts, "sampling_steps": steps})


def with_steps(model: str, steps: int) -> str:
    """Return the name of a model that is sampled in another number of steps than its recipe's."""
    return f"{model}, {steps} steps"
