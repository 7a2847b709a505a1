"""Every name that a ``_target_`` had before the modules moved still leads to its class, and to nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from gan_cli.config.nodes import Node
from gan_cli.config.targets import ALLOWED_PREFIXES, resolve
from gan_cli.errors import ConfigError
from gan_cli.storage.moved_targets import MOVED, present_name, with_present_names
from gan_cli.storage.run_directory import RunDirectory

# All names of classes in conf/ before the moves.
FORMER = (Path(__file__).parent / "former_targets.txt").read_text().split()


@pytest.mark.parametrize("former", FORMER)
def test_former_name_leads_to_the_class(former: str) -> None:
    found = resolve(former, "part")
    assert f"{found.__module__}.{found.__qualname__}" == present_name(former)


def test_moves_lead_to_permitted_classes_that_exist() -> None:
    for former, moved in MOVED.items():
        assert moved.target.startswith(ALLOWED_PREFIXES)
        found = resolve(moved.target, "part")
        assert f"{found.__module__}.{found.__qualname__}" == moved.target
        assert former not in {entry.target for entry in MOVED.values()}, "a chain of moves, or a circle"
        assert moved.until


def test_what_never_existed_is_refused_as_before() -> None:
    for target in ("gan_cli.losses.Nothing", "gan_cli.losses", "gan_cli.os.system", "os.system"):
        with pytest.raises(ConfigError, match="_target_"):
            resolve(target, "loss.objective")


def test_former_name_is_checked_against_the_signature_of_the_class() -> None:
    node = {"_target_": "gan_cli.losses.LeastSquares", "a": "x", "nothing": 1}
    with pytest.raises(ConfigError) as refused:
        Node.parse(node, "loss.objective", object)
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "loss.objective.a",
        "loss.objective.nothing",
    ]


def test_names_are_replaced_at_any_depth_and_values_are_not() -> None:
    node = {
        "_target_": "gan_cli.optim.Adam",
        "decay": {"_target_": "gan_cli.schedules.Linear", "start": 1.0},
        "list": [{"_target_": "gan_cli.losses.Hinge"}, "gan_cli.losses.Hinge"],
    }
    assert with_present_names(node) == {
        "_target_": "gan_cli.components.optimizers.Adam",
        "decay": {"_target_": "gan_cli.components.schedules.Linear", "start": 1.0},
        "list": [{"_target_": "gan_cli.components.losses.Hinge"}, "gan_cli.losses.Hinge"],
    }


def test_stored_configuration_is_read_under_present_names(tmp_path: Path) -> None:
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(
        "seed: 3\nnoise:\n  _target_: gan_cli.schedules.Linear\n  start: 0.1\n  steps: ${seed}\n"
    )
    stored = RunDirectory(tmp_path).stored_config()
    assert OmegaConf.to_container(stored, resolve=True) == {
        "seed": 3,
        "noise": {"_target_": "gan_cli.components.schedules.Linear", "start": 0.1, "steps": 3},
    }
