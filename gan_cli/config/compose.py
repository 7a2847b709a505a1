"""Composition of a configuration with Hydra. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.conf import HydraConf
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gan_cli.config import automatic, experiments, hydra_plugins, option_files
from gan_cli.config.automatic import Choice
from gan_cli.config.data_places import with_absolute_places, with_stored_places
from gan_cli.config.earlier_runs import with_absolute_runs, with_stored_runs
from gan_cli.config.hydra_errors import explain_hydra_error, is_defaults_failure, is_omegaconf_failure
from gan_cli.config.numbers import adapt_omegaconf
from gan_cli.config.override_text import OverrideText, quoted
from gan_cli.config.path_overrides import own_directory, read_paths
from gan_cli.config.preview import pop_preview
from gan_cli.config.resolution import reject_undecodable, resolve_for_good, resolve_overrides
from gan_cli.config.schema import Config, conf_dir
from gan_cli.storage.interpolations import reject_growth
from gan_cli.storage.run_directory import unique_dir


@dataclass(frozen=True)
class Composition:
    """The composed configuration of a run.

    Attributes:
        config: the run's own configuration; its resolvers have been called for good, interpolations of keys are left.
        hydra: Hydra's own configuration, below the key ``hydra``.
        overrides: those of the command line, with the values of their resolvers.
        chosen: what the program has chosen, by key.
        distinguishing: keys of those that tell the run from others: in a sweep those that differ between its jobs.
        augment_preview: whether a picture of augmented images is asked for (``augment.preview=true``).
    """

    config: DictConfig
    hydra: DictConfig
    overrides: Sequence[str]
    chosen: Mapping[str, Choice] = field(default_factory=dict)
    distinguishing: Sequence[str] = ()
    augment_preview: bool = False

    @classmethod
    def from_running_job(cls, config: DictConfig) -> Composition:
        """Return the composition of the job that Hydra's launcher is running at the moment."""
        hydra = HydraConfig.get()
        return cls.resolved(config, OmegaConf.create({"hydra": hydra}), plain_overrides(hydra))

    @classmethod
    def resolved(cls, config: DictConfig, hydra: DictConfig, overrides: Sequence[str]) -> Composition:
        """Call the resolvers of a composition for good, at the one moment at which all of them are called.

        Raises:
            ConfigError: a resolver fails, or the values would grow too large with interpolations expanded.
        """
        reject_growth(OmegaConf.to_container(config, resolve=False))
        config, chosen = automatic.settle(config)
        keys = [OverrideText.split(override).key for override in overrides]
        absolute = with_absolute_runs(with_absolute_places(resolve_for_good(config)))
        composition = cls(absolute, hydra, overrides, chosen, keys)
        resolved = resolve_overrides(overrides, composition.config, composition.choices)
        resolved = with_stored_runs(with_stored_places(resolved, composition.config), composition.config)
        reject_undecodable([OmegaConf.to_container(composition.config, resolve=False), resolved])
        return replace(composition, overrides=resolved)

    @property
    def dry_run(self) -> bool:
        """True where the run is to be checked and described, and nothing written (``dry_run=true``)."""
        return bool(OmegaConf.select(self.config, "dry_run"))

    @property
    def replicas(self) -> int:
        """Number of runs that are trained together in one process (``train.replicas``)."""
        return int(OmegaConf.select(self.config, "train.replicas"))

    @property
    def wanted_directory(self) -> Path:
        """Directory in which the run is to be written (``hydra.run.dir``); it may get a number if it is in use.

        Raises:
            ConfigError: it is not set, cannot be resolved, or is a folder that cannot be a run's own.
        """
        try:
            wanted = self.hydra.hydra.run.dir
        except OmegaConfBaseException as error:
            raise explain_hydra_error(error) from error
        return own_directory("hydra.run.dir", wanted)

    @property
    def user_conf_dir(self) -> Path | None:
        """Folder of the user's own options (``--config-dir``), or None."""
        sources = self.hydra.hydra.runtime.config_sources
        paths = [source.path for source in sources if source.provider == "command-line"]
        return Path(paths[0]) if paths else None

    @property
    def option_folder(self) -> Path | None:
        """Folder that ``--config-dir`` named, which has to be named again to resume the run, or None."""
        return named_option_folder(OmegaConf.to_container(self.hydra.hydra.runtime.config_sources), self.overrides)

    def replica(self, seed: int) -> Composition:
        """Return the composition of the replica with this seed, as if it were trained alone."""
        config = self.config.copy()
        config.seed, config.train.replicas = seed, 1
        others = [
            item for item in self.overrides if item.lstrip("+").partition("=")[0] not in ("seed", "train.replicas")
        ]
        keys = [*self.distinguishing, "seed"]
        return Composition(config, self.hydra, [*others, f"seed={seed}"], distinguishing=keys)

    @property
    def choices(self) -> dict[str, Any]:
        """Option chosen from each config group, but for those of Hydra itself."""
        chosen = OmegaConf.to_container(self.hydra.hydra.runtime.choices)
        assert isinstance(chosen, dict)
        return {str(group): option for group, option in chosen.items() if not str(group).startswith("hydra/")}


def register(plugins: bool = True) -> list[str]:
    """Register the schema and the resolvers that ``conf/config.yaml`` uses with Hydra.

    Args:
        plugins: whether launchers and sweepers of plugins may be used; without them Hydra is ready seconds earlier.

    Returns:
        A list, empty at first, to which the resolver ``unique_dir`` adds each directory that it makes.
    """
    created: list[str] = []
    adapt_omegaconf()

    def make(wanted: str) -> str:
        created.append(unique_dir(wanted))
        return created[-1]

    store = ConfigStore.instance()
    store.store(name="schema", node=Config, provider="gan_cli")
    OmegaConf.register_new_resolver("unique_dir", make, use_cache=True, replace=True)
    automatic.register()
    hydra_plugins.register(plugins)
    option_files.register()
    experiments.register()
    return created


def named_option_folder(sources: object, overrides: Sequence[str]) -> Path | None:
    """Return the folder that ``--config-dir`` named among Hydra's sources of options, which may be anything.

    Args:
        sources: of ``hydra.runtime.config_sources``.
        overrides: those of the run; a search path among them is composed again without the flag.
    """
    if any(override.lstrip("+").startswith("hydra.searchpath") for override in overrides):
        return None
    entries = [each for each in sources if isinstance(each, dict)] if isinstance(sources, list) else []
    named = (each.get("path") for each in entries if str(each.get("provider")).endswith("command-line"))
    return next((Path(path) for path in named if isinstance(path, str) and path), None)


def compose(overrides: Sequence[str], user_conf_dir: Path | None = None) -> Composition:
    """Compose the configuration of one run.

    Args:
        overrides: as on the command line, in Hydra's grammar.
        user_conf_dir: a folder of the user's own options (``--config-dir``).

    Raises:
        ConfigError: an option or key is unknown, a value has the wrong type, or a resolver fails.
    """
    search = [] if user_conf_dir is None else [f"hydra.searchpath=[{quoted(f'file://{user_conf_dir.resolve()}')}]"]
    preview, overrides = pop_preview(read_paths(overrides))
    try:
        with initialize_config_dir(str(conf_dir()), job_name="train", version_base="1.3"):
            composed = hydra_compose("config", [*overrides, *search], return_hydra_config=True)
        HydraConfig.instance().set_config(composed)
        hydra = OmegaConf.masked_copy(composed, "hydra")
        config = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "hydra"])
        return replace(Composition.resolved(config, hydra, list(overrides)), augment_preview=preview)
    # Hydra rejects some overrides (`dataset=null`) with a plain ValueError and variables to copy with a KeyError, and
    # OmegaConf converts integers to floats.
    except (HydraException, OmegaConfBaseException, ValueError, KeyError, OverflowError) as error:
        raise explain_hydra_error(error, overrides) from error
    except (AssertionError, AttributeError, TypeError) as error:
        if not is_omegaconf_failure(error) and not is_defaults_failure(error):
            raise
        raise explain_hydra_error(error, overrides) from error


def plain_overrides(hydra: DictConfig | HydraConf, kind: str = "task") -> list[str]:
    """Return the overrides in Hydra's configuration as they were typed: an interpolation in them is of the job's keys.

    Args:
        hydra: Hydra's own configuration.
        kind: ``task`` for those of the run, ``hydra`` for those of Hydra itself.
    """
    overrides = OmegaConf.to_container(hydra.overrides, resolve=False)
    assert isinstance(overrides, dict)
    return [str(override) for override in overrides[kind]]
