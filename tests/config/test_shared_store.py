"""Hydra's store of registered options: shared where Hydra would copy it, with the same result."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import hydra
import pytest
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.core.singleton import Singleton
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.compose import register
from gan_cli.config.hydra_plugins import SharedConfigStore
from gan_cli.config.schema import conf_dir
from tests.conftest import Command

COMMANDS: Sequence[list[str]] = (
    [],
    ["loss=wgan", "optimizer.lr=1e-3"],
    ["experiment=wgan_gp_mnist", "loss/penalty=[r1,r2]"],
    ["algorithm=vae", "architecture=vae", "hydra/launcher=basic"],
)
# Groups of both sources: files, and registered options.
GROUPS = ("", "loss", "loss/penalty", "hydra", "hydra/launcher", "hydra/help")


def _in_hydra(work: Callable[[], Any]) -> Any:
    with hydra.initialize_config_dir(str(conf_dir()), job_name="train", version_base="1.3"):
        return work()


def _compositions() -> list[DictConfig]:
    def compose_all() -> list[DictConfig]:
        return [hydra.compose("config", overrides, return_hydra_config=True) for overrides in COMMANDS]

    found: list[DictConfig] = _in_hydra(compose_all)
    return found


def _options() -> list[list[str]]:
    def list_all() -> list[list[str]]:
        loader = GlobalHydra.instance().config_loader()
        return [loader.get_group_options(group, kind) for group in GROUPS for kind in (*ObjectType, None)]

    found: list[list[str]] = _in_hydra(list_all)
    return found


@pytest.fixture
def hydras_own_store(monkeypatch: pytest.MonkeyPatch) -> ConfigStore:
    """The store that Hydra would use by itself, with the same options."""
    own = object.__new__(ConfigStore)
    own.repo = copy.deepcopy(ConfigStore.instance().repo)
    monkeypatch.setitem(Singleton._instances, ConfigStore, own)
    return own


def test_compositions_and_listings_are_those_of_hydras_own_store(request: pytest.FixtureRequest) -> None:
    register(plugins=False)
    assert isinstance(ConfigStore.instance(), SharedConfigStore)
    ours, listed = _compositions(), _options()
    own = request.getfixturevalue("hydras_own_store")
    assert ConfigStore.instance() is own
    assert copy.deepcopy(own) is not own
    for one, other in zip(ours, _compositions(), strict=True):
        assert OmegaConf.to_yaml(one) == OmegaConf.to_yaml(other)
        assert [OmegaConf.get_type(one, key) for key in one] == [OmegaConf.get_type(other, key) for key in other]
    assert listed == _options()


def test_composing_changes_no_registered_option() -> None:
    register(plugins=False)
    before = copy.deepcopy(ConfigStore.instance().repo)
    _compositions()
    assert ConfigStore.instance().repo == before


def test_installing_again_keeps_the_store_and_what_was_registered() -> None:
    register(plugins=False)
    store = ConfigStore.instance()
    SharedConfigStore.install()
    assert ConfigStore.instance() is store
    assert copy.deepcopy(store) is store


def test_options_that_a_plugin_registers_in_another_process_are_moved_too() -> None:
    register()
    store = pickle.loads(pickle.dumps(copy.deepcopy(ConfigStore.instance())))  # as a launcher hands it over
    for name, group in (("joblib", "hydra/launcher"), ("tpe.yaml", "hydra/sweeper/sampler")):
        store.store(name, {"defaults": ["other"], "registered": 2}, group)
        assert f"{name.removesuffix('.yaml')}.yaml" not in store.list(group)
        moved = store.load(f"{group}/plugin/{name.removesuffix('.yaml')}.yaml")
        assert moved.node == {"registered": 2}
        assert moved.group == f"{group}/plugin"
    store.store("another", {"registered": 2}, "hydra/launcher")
    assert "another.yaml" in store.list("hydra/launcher")


def test_help_of_hydra_copies_few_options(gan_train: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = 0
    deepcopy = DictConfig.__deepcopy__

    def counted(config: DictConfig, memo: dict[int, Any]) -> DictConfig:
        nonlocal copies
        copies += 1
        return deepcopy(config, memo)

    monkeypatch.setattr(DictConfig, "__deepcopy__", counted)
    assert gan_train("--hydra-help").status == 0
    assert copies < 500  # 7,700 where each listing copies the store
