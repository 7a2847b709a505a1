"""The export format ``hub``: a folder for the Hugging Face Hub from which networks can be built again as from a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.data_places import without_folders
from gan_cli.config.validate import validate_config
from gan_cli.inference.export_formats import Arguments, Exported, with_weights
from gan_cli.inference.exportable import ExportableNetwork
from gan_cli.inference.exported_model import KEY, VERSION
from gan_cli.inference.loading import GeneratorWeights

# Sections of a configuration that a model and its training depend on. The others say how the run was watched: with
# addresses of services that are nobody else's business.
SECTIONS = (
    *("dataset", "architecture", "algorithm", "loss", "noise", "augment", "optimizer", "ema", "train"),
    *("conditional", "pac", "seed"),
)


def as_hub(
    exportable: ExportableNetwork, architecture: Arguments, *, state: Mapping[str, Any], checkpoint: str
) -> Exported:
    """Return ``model.safetensors`` and ``config.json`` with all that a checkpoint says of what generates samples.

    Args:
        exportable: the network as other formats have it.
        architecture: node of the run's configuration that it was built from.
        state: of the checkpoint; the names of its weights are kept.
        checkpoint: which one it is, as it was chosen.
    """
    average = state["algorithm"][GeneratorWeights.average.value]
    weights = {name: tensor.detach().clone().contiguous() for name, tensor in average.items()}
    stored = {
        "version": VERSION,
        "step": state["step"],
        "checkpoint": checkpoint,
        "condition": state["algorithm"]["classes"],
        "data": state.get("data"),
    }
    return with_weights(exportable, architecture, weights, {KEY: stored})


def public_config(config: DictConfig) -> DictConfig:
    """Return the part of a run's configuration that describes the model, without paths of the machine.

    Raises:
        ConfigError: the part alone is not valid.
    """
    plain = OmegaConf.to_container(config, resolve=False)
    assert isinstance(plain, dict)
    public = without_folders(OmegaConf.create({key: plain[key] for key in SECTIONS if key in plain}))
    validate_config(public)
    return public
