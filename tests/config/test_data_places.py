"""Places of the data are stored as absolute paths, and may be others when a run is resumed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.compose import compose, register
from gan_cli.config.data_places import advising_of_moves, moved_places, relocated, stored_places
from gan_cli.config.resume import recompose, store_changes
from gan_cli.errors import ConfigError, DataError
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import TINY, Command

FOLDER = ("dataset=image_folder", "dataset.size=8")


@pytest.fixture(autouse=True)
def registered(workplace: Path) -> None:
    register()


def stored(*overrides: str) -> Any:
    composed = compose([*FOLDER, *overrides])
    config: Any = OmegaConf.to_container(composed.config, resolve=False)
    return config["dataset"], composed.overrides


def test_relative_places_are_stored_as_absolute_ones(workplace: Path) -> None:
    dataset, overrides = stored("dataset.path=photos", "dataset.root=../cache")
    assert (dataset["path"], dataset["root"]) == (f"{workplace}/photos", f"{workplace}/../cache")
    assert overrides[-2:] == [f"dataset.path='{workplace}/photos'", f"dataset.root='{workplace}/../cache'"]
    again, _ = stored(*overrides[-2:])
    assert again == dataset


@pytest.mark.parametrize("path", ["/a/b", "~/photos", "~", "${dataset.root}/x", "https://host/x"])
def test_other_places_stay(path: str) -> None:
    assert stored(f"dataset.path={path}")[0]["path"] == path


def test_default_root_stays_that_of_the_environment() -> None:
    assert stored("dataset.path=x")[0]["root"] == "${oc.env:GAN_DATA,'~/.cache/gan_cli'}"


def test_working_folder_may_have_any_name(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = workplace / "a ${seed} = 'ü' #"
    odd.mkdir()
    monkeypatch.chdir(odd)
    composed = compose([*FOLDER, "dataset.path=x ${train.steps}"])
    assert composed.config.dataset.path == f"{odd}/x {composed.config.train.steps}"
    assert compose(composed.overrides).config.dataset.path == composed.config.dataset.path


def test_resolvers_in_a_place_are_called_for_good(monkeypatch: pytest.MonkeyPatch, workplace: Path) -> None:
    monkeypatch.setenv("PLACE", "b")
    dataset, overrides = stored("dataset.path=${oc.env:HOME}/photos")
    assert dataset["path"] == f"{os.environ['HOME']}/photos"
    assert overrides[-1] == f"dataset.path='{os.environ['HOME']}/photos'"
    assert stored("dataset.path=${oc.env:PLACE}/c")[0]["path"] == f"{workplace}/b/c"


def test_path_in_an_option_of_the_users_own_is_relative_to_the_working_folder(
    workplace: Path, gan_train: Command
) -> None:
    option = workplace / "own" / "experiment" / "mine.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("# @package _global_\ndefaults: [{override /dataset: image_folder}]\ndataset: {path: photos}\n")
    done = gan_train("--config-dir", "own", "experiment=mine", *TINY, "dry_run=true")
    assert done.status == 3
    assert f"there is no folder {workplace}/photos" in done.err


@pytest.mark.parametrize(("exists", "value"), [(True, "{work}/y"), (False, "y")])
def test_labels_are_a_path_where_they_are_a_file(exists: bool, value: str, workplace: Path) -> None:
    """Else they may be the name of an array, say."""
    if exists:
        (workplace / "y").touch()
    dataset, _ = stored("dataset.path=x", "+dataset.labels=y")
    assert dataset["labels"] == value.format(work=workplace)


def test_data_of_another_number_are_resumed_with_the_settings_of_the_first(workplace: Path) -> None:
    """Steps and batches that follow the number of images are those that the run has."""
    run = RunDirectory(workplace / "run")
    run.hydra.mkdir(parents=True)
    for name, count in (("few", 3), ("many", 2500)):
        (workplace / name).mkdir()
        for index in range(count):
            (workplace / name / f"{index}.png").touch()
    composed = compose([*FOLDER, "dataset.path=few"])
    run.write_hydra_config(composed.config, composed.hydra.hydra, composed.overrides)
    resumed = recompose(run, ["dataset.path=many", "train.log_every=7"])
    assert moved_places(run.stored_config(), resumed.config) == {"dataset.path": f"{workplace}/many"}
    assert resumed.config.train.batch_size == composed.config.train.batch_size
    store_changes(run, resumed.config)
    assert run.stored_config().dataset.path == f"{workplace}/many"
    assert run.stored_overrides()[-1] == f"dataset.path='{workplace}/many'"
    back = recompose(run, ["dataset.path=few"])
    assert moved_places(run.stored_config(), back.config) == {"dataset.path": f"{workplace}/few"}


def config_of(**dataset: object) -> DictConfig:
    return OmegaConf.create({"dataset": {"_target_": "gan_cli.x", **dataset}})


def test_relocated_data_have_a_path_or_a_root(workplace: Path) -> None:
    assert relocated(config_of(path="/old", root="/r"), "new ${x}").dataset.path == f"{workplace}/new ${{x}}"
    assert relocated(config_of(root="/r"), "new").dataset.root == f"{workplace}/new"
    with pytest.raises(ConfigError, match="--data new: the data of this run are of no file"):
        relocated(config_of(count=8), "new")
    assert stored_places(OmegaConf.create({"dataset": None})) == {}


@pytest.mark.parametrize(
    ("dataset", "key"),
    [
        ({"path": "/no/such"}, "dataset.path"),
        ({"path": "/no/such/{0..3}.tar"}, "dataset.path"),
        ({"path": ["/", "/no/such"]}, "dataset.path"),
        ({"path": "/", "labels": "/no/such.csv"}, "dataset.labels"),
        ({"path": "/*.tar", "labels": "y", "root": "/no/such"}, None),
        ({"path": None}, None),
    ],
)
def test_advice_is_for_places_that_are_not_there(dataset: dict[str, object], key: str | None) -> None:
    with pytest.raises(DataError) as raised, advising_of_moves(config_of(**dataset), "type {key}=NEW"):
        raise DataError("unreadable.")
    advice = f"unreadable. If the data lie elsewhere now: type {key}=NEW"
    assert str(raised.value) == ("unreadable." if key is None else advice)
