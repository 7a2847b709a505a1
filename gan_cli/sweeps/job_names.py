"""Names of the folders of a sweep's jobs: what differs between the jobs (``loss=wgan,seed=1``). Imports no torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.compose import plain_overrides
from gan_cli.sweeps.command import Command

MAX_NAME_LENGTH = 150
# Slashes would nest folders, and as text "${" would be an interpolation; Windows allows none of the others.
NOT_IN_NAMES = str.maketrans({**dict.fromkeys("/:*?|<>", "-"), **dict.fromkeys('\\$"', "")})


def register() -> None:
    """Register the resolver ``job_dirname``, which ``conf/config.yaml`` uses; launchers hand it to their processes."""
    OmegaConf.register_new_resolver("job_dirname", job_dirname, replace=True)


def job_dirname(*, _root_: DictConfig) -> str:
    """Return the name of the folder of the job that Hydra's launcher is at (resolver ``job_dirname``).

    Raises:
        ConfigError: the sweep's command cannot be read.
    """
    hydra = _root_.hydra
    command = Command.stored(Path(hydra.runtime.cwd, hydra.sweep.dir))
    job = plain_overrides(hydra)
    return folder_name(command.label(job) or ",".join(job), int(hydra.job.num))


def folder_name(label: str, number: int) -> str:
    """Return a label as the name of a folder on any system, cut and ended by a digest where it is too long.

    Args:
        label: overrides of a job, joined by commas.
        number: of the job, which is its name where it has no overrides.
    """
    name = label.translate(NOT_IN_NAMES).strip(" .") or str(number)
    if len(name) > MAX_NAME_LENGTH:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = f"{name[: MAX_NAME_LENGTH - 9]}-{digest}"
    return name
