"""What the program chooses for a run, and when it says so."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf
from PIL import Image

from gan_cli.config.automatic import CHOOSERS, log_choices
from gan_cli.config.compose import Composition, compose, register
from gan_cli.config.dataset_kind import DatasetKind, dataset_kind
from gan_cli.config.reference.options import _as_text
from gan_cli.config.resume import recompose
from gan_cli.config.schema import conf_dir
from gan_cli.config.small_data import settings_for
from gan_cli.config.targets import resolve
from gan_cli.errors import ConfigError
from gan_cli.protocols.data import CountableImages, Density, Rows, SelfSettling, data_kinds
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.training import planning
from tests.conftest import SHORT, TINY, Command
from tests.helpers.options import option_nodes


@pytest.fixture(autouse=True)
def registered() -> None:
    register()


def logged(composition: Composition, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    with caplog.at_level(logging.INFO, logger="gan_cli"):
        log_choices(composition.chosen)
    return caplog.messages[-1] if caplog.messages else ""


@pytest.mark.parametrize(
    ("overrides", "norm"),
    [
        (["loss=jsd"], "batch"),
        (["loss=r3gan", "architecture=mlp_deep"], "layer"),
        (["loss=r3gan", "architecture=vae_conv"], "layer"),
        (["loss=wgan"], "batch"),
        (["loss=wgan_gp"], "layer"),
        (["loss=r3gan"], "layer"),
        (["loss=jsd", "loss/penalty=r1"], "layer"),
        (["loss=wgan_gp", "loss/penalty=none"], "batch"),
        (["loss=wgan_gp", "architecture.norm_d=none"], "none"),
        (["loss=dragan", "architecture.norm_d=batch"], "batch"),
    ],
)
def test_norm_of_d_follows_its_penalties_unless_it_is_set(overrides: list[str], norm: str) -> None:
    composed = compose(["dataset=mnist", *overrides])
    assert OmegaConf.to_container(composed.config, resolve=False)["architecture"]["norm_d"] == norm  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("dataset", "loss"),
    [("grid25", "wgan"), ("swiss_roll", "dragan"), ("two_moons", "roth"), ("ring8", "r3gan")],
)
def test_points_have_larger_rates_and_lighter_penalties_than_images(dataset: str, loss: str) -> None:
    points, images = (
        compose([f"dataset={each}", "architecture=mlp", f"loss={loss}"]).config for each in (dataset, "mnist")
    )
    assert points.optimizer.lr == pytest.approx(10 * images.optimizer.lr)
    assert points.optimizer.lr_d == points.optimizer.lr
    for name, penalty in (points.loss.penalty or {}).items():
        assert penalty.weight == pytest.approx(images.loss.penalty[name].weight / 100)


@pytest.mark.parametrize(("dataset", "weight"), [("ring8", 0.1), ("grid25", 0.1), ("parallel_lines", 10.0)])
def test_penalty_of_wgan_gp_is_lighter_for_modes_in_the_plane(dataset: str, weight: float) -> None:
    config = compose([f"dataset={dataset}", "loss=wgan_gp"]).config
    assert (config.loss.penalty.gradient.weight, config.optimizer.lr) == (weight, 1e-3)


def test_rates_and_weights_that_are_set_stay_as_they_are() -> None:
    own = ["optimizer.lr=3e-4", "loss.penalty.gradient.weight=10"]
    composed = compose(["dataset=ring8", "loss=wgan_gp", *own])
    assert composed.config.optimizer.lr == 3e-4
    assert composed.config.loss.penalty.gradient.weight == 10
    assert not any(choice.reason for choice in composed.chosen.values())


@pytest.mark.parametrize(
    ("rates", "announced"),
    [([], True), (["optimizer.lr_g=1e-4"], True), (["optimizer.lr_g=1e-4", "optimizer.lr_d=4e-4"], False)],
)
def test_rate_that_neither_network_uses_is_not_announced(rates: list[str], announced: bool) -> None:
    composed = compose(["dataset=ring8", *rates])
    assert bool(composed.chosen["optimizer.lr"].reason) == announced


def test_choice_other_than_the_usual_one_is_logged_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert logged(compose(["dataset=mnist", "loss=jsd"]), caplog, monkeypatch) == ""
    assert logged(compose(["loss=wgan_gp", "architecture.norm_d=none"]), caplog, monkeypatch) == ""
    line = logged(compose(["dataset=mnist", "loss=wgan_gp"]), caplog, monkeypatch)
    assert "architecture.norm_d=layer for a gradient penalty" in line
    assert len(line.splitlines()) == 1


def test_unknown_choice_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"auto:norm,\.\.\.\}: there is no such choice\. Did you mean 'norm_d'\?"):
        compose(["architecture.norm_d=${auto:norm,batch}"])


def test_choice_is_stored_and_resumed(gan_train: Command, workplace: Path) -> None:
    run = workplace / "run"
    done = gan_train(
        "dataset=digits", "loss=roth", *TINY, *SHORT, "architecture.norm_d=${auto:norm_d,batch}", f"hydra.run.dir={run}"
    )
    assert (done.status, "architecture.norm_d=layer" in done.err) == (0, True), done.err
    stored = RunDirectory(run).stored_config()
    assert stored.architecture.norm_d == "layer"
    stored.architecture.norm_d = "batch"  # as a version before this choice had it
    OmegaConf.save(stored, run / ".hydra" / "config.yaml")
    assert recompose(RunDirectory(run), ["train.steps=4"]).config.architecture.norm_d == "batch"


def test_every_choice_is_used_by_an_option() -> None:
    texts = [file.read_text() for file in conf_dir().rglob("*.yaml")]
    unused = [name for name in CHOOSERS if not any(f"${{auto:{name}," in text for text in texts)]
    assert unused == []


def test_reference_shows_the_usual_value() -> None:
    texts = [_as_text(value) for value in ("${auto:norm_d,batch}", "${auto:learning_rate,2.0e-4}", "${.lr}")]
    assert texts == ["batch or chosen", "2.0e-4 or chosen", "lr"]


# ---- by the kind of data


@pytest.mark.parametrize(
    "target", sorted({str(node["_target_"]) for file, _, node in option_nodes() if file.startswith("dataset")})
)
def test_kind_of_a_dataset_read_as_source_is_that_of_the_imported_class(target: str) -> None:
    found = resolve(target, "dataset")
    modal = all(hasattr(found, name) for name in ("std", "scale", "centres"))  # as `Modal` asks of an instance
    assert dataset_kind(target) == DatasetKind(
        points=set(data_kinds(found)) == {Density},
        rows=Rows in data_kinds(found),
        modes=modal,
        countable=issubclass(found, CountableImages),
        settling=issubclass(found, SelfSettling),
    )


def test_kind_of_a_dataset_of_ones_own_is_that_of_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_data").mkdir()
    (tmp_path / "my_data" / "__init__.py").touch()
    base = "from gan_cli.datasets.gaussian_mixtures import Ring\nclass Base(Ring):\n    pass\n"
    (tmp_path / "my_data" / "base.py").write_text(base)
    (tmp_path / "my_data" / "own.py").write_text("import my_data.base\nclass Own(my_data.base.Base):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GAN_PLUGINS", "my_data")
    assert dataset_kind("my_data.own.Own") == DatasetKind(points=True, modes=True)


@pytest.mark.parametrize("target", ["gan_cli.components.losses.Hinge", "gan_cli.datasets.Nothing", "gan_cli./x.Y", "x"])
def test_class_that_is_no_dataset_has_the_usual_settings(target: str) -> None:
    config = compose(["architecture=dcgan", f"dataset._target_='{target}'"]).config
    assert (config.optimizer.lr, config.architecture.width) == (2e-4, 64)


# ---- by the number of images


def folder_of(count: int, folder: Path) -> Path:
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (8, 8), (number % 256, 0, 0)).save(folder / f"{number}.png")
    return folder


def test_few_images_have_a_narrow_network_and_much_augmentation(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(30, tmp_path / "photos")
    composed = compose(["dataset=image_folder", f"dataset.path={folder}", "train.steps=77"])
    config, few = composed.config, settings_for(30)
    assert (config.architecture.width, config.architecture.width_g) == (few.width, few.width)
    assert (config.augment.probability, config.train.batch_size) == (few.augmentation, few.batch_size)
    assert (config.ema.half_life, config.train.steps) == (few.half_life, 77)
    line = logged(composed, caplog, monkeypatch)
    assert line.count("for 30 images") == 1
    assert f"architecture.width={few.width}, augment.probability={few.augmentation}" in line
    assert "train.steps" not in line


def test_folder_without_images_has_the_usual_settings(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        composed = compose(["dataset=image_folder", f"dataset.path={path}"])
        assert composed.config.architecture.width in (64, settings_for(0).width)
    assert not compose(["dataset=image_folder", f"dataset.path={tmp_path / 'nowhere'}"]).chosen["train.steps"].reason


def test_other_networks_and_families_go_with_a_folder_of_images(tmp_path: Path) -> None:
    folder = folder_of(30, tmp_path / "photos")
    for overrides in (
        ["architecture=mlp"],
        ["architecture=resnet", "augment=none"],
        ["algorithm=vae"],
        ["loss=wgan_gp"],
    ):
        planning.plan(compose(["dataset=image_folder", f"dataset.path={folder}", *overrides]).config)


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_more_images_never_have_fewer_steps_or_more_augmentation(first: int, second: int) -> None:
    few, many = settings_for(min(first, second)), settings_for(max(first, second))
    assert (few.steps, few.width, few.batch_size) <= (many.steps, many.width, many.batch_size)
    assert few.augmentation >= many.augmentation
    assert all(each.half_life <= each.steps / 10 for each in (few, many))


@pytest.mark.parametrize(("images", "batch"), [(0, 2), (5, 2), (40, 16), (127, 32), (128, 64), (10**6, 64)])
def test_batch_has_at_most_half_of_the_images(images: int, batch: int) -> None:
    assert settings_for(images).batch_size == batch
