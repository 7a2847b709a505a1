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
from gan_cli.storage import checkpoints
from gan_cli.storage.run_directory import RunDirectory


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


def load_discriminator(directory: RunDirectory) -> TrainedDiscriminator:
    """Load the discriminator of a run's latest intact checkpoint.

    Args:
        directory: directory of a GAN, neither conditional nor with packs.

    Raises:
        ConfigError: no run directory, no checkpoint, or a run without such a discriminator.
    """
    typed = validate_config(directory.stored_config())
    if typed.conditional or typed.pac != 1 or typed.loss.objective is None:
        raise ConfigError(f"{directory.path}: expected a GAN whose D scores single samples, without classes")
    architecture: Architecture = Node.parse(typed.architecture, "architecture", Architecture).build()
    objective: Objective = Node.parse(typed.loss.objective, "loss.objective", Objective).build()
    network = architecture.discriminator(run_dataset(directory).shape, 0)
    state = checkpoints.load_latest(directory.checkpoints)
    with checkpoint_errors(directory):
        network.load_state_dict(state["algorithm"]["judge"]["network"])
    return TrainedDiscriminator(network.eval(), objective)
