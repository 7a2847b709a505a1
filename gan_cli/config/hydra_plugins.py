"""What the options below ``conf/hydra/`` build on: the plugins of the extra ``[sweep]``, and how jobs share a machine.

Imports no torch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from omegaconf import OmegaConf, flag_override

from gan_cli.config.objective import sought
from gan_cli.errors import ConfigError

# Options of ours that extend the option of the same name that a plugin brings.
EXTENDED = {
    "hydra/launcher": ("joblib", "submitit_local", "submitit_slurm", "ray"),
    "hydra/sweeper": ("optuna",),
    "hydra/sweeper/sampler": ("tpe", "random", "cmaes", "nsgaii"),
}
INSTALL = "pip install 'gan-cli[sweep]'"
NVIDIA = Path("/proc/driver/nvidia/gpus")


def register(plugins: bool = True) -> None:
    """Make the plugins' options the base of ours, and register the resolvers that ours use. Does no harm twice."""
    _discover(plugins)
    _make_room_for_ours()
    OmegaConf.register_new_resolver("jobs_at_once", jobs_at_once, replace=True)
    OmegaConf.register_new_resolver("at_once", _at_once, replace=True)
    OmegaConf.register_new_resolver("cores_each", cores_each, replace=True)
    OmegaConf.register_new_resolver("as_text", _as_text, replace=True)
    OmegaConf.register_new_resolver("all_gpus", all_gpus, replace=True)
    OmegaConf.register_new_resolver("direction_of", sought, replace=True)


def _discover(plugins: bool) -> None:
    """Have Hydra find its plugins, or none where none is wanted: it would import all of Ray and of Optuna."""
    if plugins and not any(name.startswith("hydra_plugins.") for name in sys.modules):
        Singleton._instances.pop(Plugins, None)  # found before without them
    elif not plugins and Plugins not in Singleton._instances:
        sys.modules["hydra_plugins"] = None  # type: ignore[assignment]
        try:
            Plugins.instance()
        finally:
            del sys.modules["hydra_plugins"]


def _make_room_for_ours() -> None:
    """Move what plugins have registered, ``hydra/launcher/joblib`` say, to ``hydra/launcher/plugin/joblib``.

    Hydra would take it for the schema of our file of that name, which it has deprecated. Our file names it in its
    defaults list instead, so that types are checked as ever.
    """
    Plugins.instance()  # imports all plugins there are, which register their options on the way
    store = ConfigStore.instance()
    for group, names in EXTENDED.items():
        options = store.repo
        for part in group.split("/"):
            options = options.get(part, {})
        for name in names:
            option = options.pop(f"{name}.yaml", None)
            if option is not None:
                with flag_override(option.node, ["readonly", "struct"], False):
                    option.node.pop("defaults", None)  # ours has a list of its own
                store.store(name, option.node, f"{group}/plugin", provider=option.provider)


def jobs_at_once() -> int:
    """Jobs that keep this machine busy: one for each GPU, else one for each core (resolver ``jobs_at_once``)."""
    return len(_visible_gpus()) or _cores()


def cores_each(jobs: int) -> str:
    """Cores for each of so many jobs at once, as an environment variable holds it (resolver ``cores_each``)."""
    return str(max(1, _cores() // _at_once(jobs)))


def all_gpus() -> int:
    """How many GPUs a job of submitit on this machine is to see: all of them (resolver ``all_gpus``).

    Raises:
        ConfigError: they are not the first ones; submitit numbers from 0, whatever ``CUDA_VISIBLE_DEVICES`` said.
    """
    gpus = _visible_gpus()
    if gpus != [str(number) for number in range(len(gpus))]:
        raise ConfigError(
            f"hydra/launcher=submitit_local: expected CUDA_VISIBLE_DEVICES to name the first GPUs (0,1,...), got"
            f" {','.join(gpus)}, which submitit does not honour. Use hydra/launcher=joblib"
        )
    return len(gpus)


def _visible_gpus() -> list[str]:
    """What ``CUDA_VISIBLE_DEVICES`` lists, else the numbers of all GPUs of the driver; asks no CUDA."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name for name in named.split(",") if name.strip() not in ("", "-1")]
    return [str(number) for number, _ in enumerate(NVIDIA.glob("*"))]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _at_once(jobs: int) -> int:
    """What joblib takes a number of jobs for: -1 is one for each core, -2 one less."""
    return jobs if jobs > 0 else max(1, _cores() + 1 + jobs)


def _as_text(value: object) -> str:
    """A number as an environment variable holds it, null as an empty one."""
    return "" if value is None else str(value)
