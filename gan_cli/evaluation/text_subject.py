"""A run on sequences under evaluation: what its writer writes, and how likely it finds what it has never read."""

from __future__ import annotations

from typing import Any

import torch
from omegaconf import OmegaConf

from gan_cli.backbones.network import checksum
from gan_cli.errors import ConfigError
from gan_cli.evaluation.sequences import sequence_evaluator
from gan_cli.inference.language_model import trained_writer
from gan_cli.protocols.data import Sequences
from gan_cli.storage.run_directory import RunDirectory


def measured(
    directory: RunDirectory, count: int | None, seed: int
) -> tuple[dict[str, float], dict[str, float], dict[str, Any]]:
    """Figures of the writer of a run's latest checkpoint, those of real sequences in their place, and the provenance.

    Args:
        directory: of the run.
        count: sequences to write; None: 2,000, or half of the data.
        seed: of what is written.

    Raises:
        ConfigError: no run directory, no checkpoint; or the data have other words now.
        DataError: the data cannot be read.
    """
    trained = trained_writer(directory)
    source = trained.dataset.load()
    assert isinstance(source, Sequences)
    if source.words != trained.script.words:
        raise ConfigError(f"{directory.path}: its data have other words now than when it was trained")
    share = float(OmegaConf.select(directory.stored_config(), "train.held_out") or 0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    evaluator = sequence_evaluator(trained.dataset, source, share, seed, count=count, device=device)
    trained.network.to(device)
    evaluation = evaluator(lambda wanted: trained.write(wanted, seed), trained.nll)
    facts = {
        "run": str(directory.path),
        "checkpoint": f"checkpoints/step_{trained.step:08d}.pt",
        "step": trained.step,
        "checksum": checksum(trained.network.state_dict()),
    }
    data = {"name": type(trained.dataset).__name__, **evaluation.provenance["data"]}
    return dict(evaluation.figures), evaluator.floor(), {"generator": facts, **evaluation.provenance, "data": data}
