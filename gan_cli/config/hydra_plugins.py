"""Base of the options below ``conf/hydra/``: plugins of the extra ``[sweep]``, and resolvers that divide a machine.

Imports no torch.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from omegaconf import OmegaConf, flag_override

from gan_cli.config.sweep_metric import optimization_direction
from gan_cli.errors import ConfigError

# Options of ours, each of which extends the option of the same name of a plugin.
EXTENDED_OPTIONS = {
    "hydra/launcher": ("joblib", "submitit_local", "submitit_slurm", "ray"),
    "hydra/sweeper": ("optuna",),
    "hydra/sweeper/sampler": ("tpe", "random", "cmaes", "nsgaii"),
}
NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")


class SharedConfigStore(ConfigStore):
    """Hydra's store of registered options, shared by all copies of the sources that read it.

    Hydra copies its sources, and the store with them, for each composition and for each listing of a group's options,
    148 times for ``--help``, so that a copy can get another search path. The copies are only read, and ``load`` returns
    a copy of the option in any case.

    The other processes of a launcher share a copy as well, and import the plugins again, which register their options
    again: so these are moved whenever they are registered.
    """

    def store(
        self, name: str, node: Any, group: str | None = None, package: str | None = None, provider: str | None = None
    ) -> None:
        """Store an option; one of a plugin that an option of ours extends is moved out of its place."""
        super().store(name, node, group, package=package, provider=provider)
        if name.removesuffix(".yaml") in EXTENDED_OPTIONS.get(group or "", ()):
            self.move_plugin_options()

    def move_plugin_options(self) -> None:
        """Move what plugins have registered, ``hydra/launcher/joblib`` say, to ``hydra/launcher/plugin/joblib``.

        Otherwise Hydra would take it for the schema of our file of that name, a use that it has deprecated. Our file
        names it in its defaults list instead, so that types are still checked.
        """
        for group, names in EXTENDED_OPTIONS.items():
            options = self.repo
            for part in group.split("/"):
                options = options.get(part, {})
            for name in names:
                option = options.pop(f"{name}.yaml", None)
                if option is not None:
                    with flag_override(option.node, ["readonly", "struct"], False):
                        option.node.pop("defaults", None)  # our option has its own defaults list
                    super().store(name, option.node, f"{group}/plugin", provider=option.provider)

    def __deepcopy__(self, memo: dict[int, object]) -> SharedConfigStore:
        return self

    @classmethod
    def install(cls) -> None:
        """Put a store of this class in the place of Hydra's own, with the options that it holds."""
        store = ConfigStore.instance()
        if not isinstance(store, cls):
            shared = cls()
            shared.repo = store.repo
            shared.move_plugin_options()
            Singleton._instances[ConfigStore] = shared  # type: ignore[assignment]  # Hydra annotates the metaclass


def register(plugins: bool = True) -> None:
    """Make the plugins' options the base of ours, and register the resolvers of ours; may be called repeatedly."""
    SharedConfigStore.install()
    _discover(plugins)
    Plugins.instance()  # imports all plugins there are, which register their options on the way
    OmegaConf.register_new_resolver("jobs_at_once", jobs_at_once, replace=True)
    OmegaConf.register_new_resolver("at_once", _job_count, replace=True)
    OmegaConf.register_new_resolver("cores_each", cores_each, replace=True)
    OmegaConf.register_new_resolver("as_text", _as_text, replace=True)
    OmegaConf.register_new_resolver("all_gpus", all_gpus, replace=True)
    OmegaConf.register_new_resolver("direction_of", optimization_direction, replace=True)


def _discover(plugins: bool) -> None:
    """Have Hydra find its plugins, or none where none is needed: finding them imports all of Ray and of Optuna."""
    if plugins and not any(name.startswith("hydra_plugins.") for name in sys.modules):
        Singleton._instances.pop(Plugins, None)  # an earlier call without plugins
    elif not plugins and Plugins not in Singleton._instances:
        sys.modules["hydra_plugins"] = None  # type: ignore[assignment]
        try:
            Plugins.instance()
        finally:
            del sys.modules["hydra_plugins"]


def jobs_at_once() -> int:
    """Return the number of jobs that keep this machine busy: its GPUs, else its cores (resolver ``jobs_at_once``)."""
    return len(_visible_gpus()) or _cores()


def cores_each(jobs: int) -> str:
    """Return the cores for each of ``jobs`` jobs at once, for an environment variable (resolver ``cores_each``)."""
    return str(max(1, _cores() // _job_count(jobs)))


def all_gpus() -> int:
    """Return the number of GPUs for each job of submitit on this machine: all of them (resolver ``all_gpus``).

    Raises:
        ConfigError: the visible ones are not the first; submitit numbers from 0, ignoring ``CUDA_VISIBLE_DEVICES``.
    """
    gpus = _visible_gpus()
    if gpus != [str(number) for number in range(len(gpus))]:
        raise ConfigError(
            f"hydra/launcher=submitit_local: expected CUDA_VISIBLE_DEVICES to name the first GPUs (0,1,...), got"
            f" {','.join(gpus)}, which submitit does not honour. Use hydra/launcher=joblib"
        )
    return len(gpus)


def _visible_gpus() -> list[str]:
    """List the GPUs of ``CUDA_VISIBLE_DEVICES``, else the numbers of all GPUs of the driver, without loading CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    return [str(number) for number, _ in enumerate(NVIDIA_GPUS.glob("*"))]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _job_count(jobs: int) -> int:
    """Return the number of jobs that joblib's ``n_jobs`` stands for: -1 is one for each core, -2 one less."""
    return jobs if jobs > 0 else max(1, _cores() + 1 + jobs)


def _as_text(value: object) -> str:
    """Return a number as text for an environment variable, null as an empty one."""
    return "" if value is None else str(value)
