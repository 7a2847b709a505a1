"""Every option under conf/ trains and says all it can be told: found by listing the folder, so none is forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gan_cli.algorithms.spec import PROVIDED
from gan_cli.config.targets import parameters, resolve
from tests.conftest import SHORT, Command
from tests.helpers.options import TRAINED_ELSEWHERE, missing_package, needed, option_nodes, small, trainable

pytestmark = pytest.mark.usefixtures("remembered_entropy")


@pytest.mark.parametrize("option", trainable())
def test_option_trains(option: str, gan_train: Command, workplace: Path) -> None:
    if option in ("device=cuda", "device=mps"):
        pytest.skip(f"needs such a device; tests/integration/test_bad_input.py has {option} without one")
    if option in TRAINED_ELSEWHERE:
        pytest.skip(f"trained on where the data are at hand: {TRAINED_ELSEWHERE[option]}")
    done = gan_train(option, *small(option, workplace), *SHORT, "hydra.run.dir=run")
    assert done.status == 0, done.err
    summary = json.loads(Path("run/summary.json").read_text())
    assert (summary["status"], summary["step"]) == ("completed", 2)


@pytest.mark.parametrize("option", trainable())
def test_option_survives_a_dry_run_that_writes_nothing(option: str, gan_train: Command, workplace: Path) -> None:
    if option in ("device=cuda", "device=mps"):
        pytest.skip("needs such a device")
    if missing_package(option):
        pytest.skip(f"needs {missing_package(option)}")
    done = gan_train("dry_run=true", option, *needed(option))
    assert done.status == 0, done.err
    assert "parameters" in done.out
    assert list(workplace.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "path", "node"), option_nodes(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_option_spells_out_every_parameter(file: str, path: str, node: dict[str, object]) -> None:
    """What a YAML file does not list could not be overridden without a `+`, nor be found with --help."""
    expected = set(parameters(resolve(node["_target_"], path)))
    if file.startswith("algorithm/"):
        expected -= {
            *PROVIDED,
            "likelihood",
            "beta",
            "estimator",
            "schedule",
            "reverse",
        }  # groups of their own, as decay is
    if file.startswith("optimizer/") and "decay" not in file:
        expected.discard("decay")  # a group of its own: optimizer/decay
    assert set(node) - {"_target_", "defaults"} == expected, file


@pytest.mark.parametrize("recipe", [["loss=wgan", "architecture=mlp"], ["loss=jsd", "architecture=dcgan"]])
def test_real_mnist_trains(recipe: list[str], gan_train: Command, real_data: Path) -> None:
    done = gan_train(*recipe, *SHORT, "dataset=mnist", f"dataset.root={real_data}", "architecture.latent_dim=8")
    assert done.status == 0, done.err


def test_stacked_mnist_trains(gan_train: Command, real_data: Path) -> None:
    data = ["dataset=stacked_mnist", "dataset.count=32", f"dataset.root={real_data}"]
    done = gan_train(*data, "architecture=dcgan", "architecture.width=4", *SHORT)
    assert done.status == 0, done.err
