"""Discriminators of finished runs: loaded, to score samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from gan_cli.config.nodes import Node
from gan_cli.config.validate import validate_config
from gan_cli.errors import ConfigError
from gan_cli.inference.loading import checkpoint_errors, run_dataset
from gan_cli.protocols.adversarial import Objective
from gan_cli.protocols.architecture import Architecture
from gan_cli.protocols.arrays import DoubleArray, FloatArray
from gan_cli.runtime.rng import BLOCK
from gan_cli.storage.stored_model import StoredModel


@dataclass(frozen=True)
class TrainedDiscriminator:
    """The trained discriminator of a run.

    Attributes:
        network: ``(N, *shape) -> (N,)`` logits, in evaluation mode, on the CPU.
        objective: the run's losses, which say what a logit stands for.
    """

    network: nn.Module
    objective: Objective

    @torch.no_grad()
    def scores(self, samples: FloatArray) -> DoubleArray:
        """Score samples ``(N, *shape)`` in the coordinates that the networks see, in bounded memory for any N.

        Returns:
            ``(N,)``: D(x), probabilities for the JSD family, critic values otherwise. Of logits in float64, in which
            a confident D is not yet certain.
        """
        blocks = torch.split(torch.from_numpy(samples), BLOCK)
        logits = torch.cat([self.network(block) for block in blocks])
        scores: DoubleArray = self.objective.score(logits.double()).numpy()
        return scores


def load_discriminator(model: StoredModel) -> TrainedDiscriminator:
    """Load the discriminator of a stored model.

    Args:
        model: of a GAN, neither conditional nor with packs.

    Raises:
        ConfigError: no run directory, no checkpoint, or a run without such a discriminator.
    """
    typed = validate_config(model.stored_config())
    if typed.conditional or typed.pac != 1 or typed.loss.objective is None:
        raise ConfigError(f"{model.path}: expected a GAN whose D scores single samples, without classes")
    architecture: Architecture = Node.parse(typed.architecture, "architecture", Architecture).build()
    objective: Objective = Node.parse(typed.loss.objective, "loss.objective", Objective).build()
    network = architecture.discriminator(run_dataset(model).shape, 0)
    state = model.load_state()
    with checkpoint_errors(model.weights_path):
        network.load_state_dict(state["algorithm"]["judge"]["network"])
    return TrainedDiscriminator(network.eval(), objective)
