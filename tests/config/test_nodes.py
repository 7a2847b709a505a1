"""Nodes with a ``_target_``: the target's signature is the schema, and every mistake is told with its full path."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gan_cli.architectures.dcgan import DCGAN
from gan_cli.architectures.mlp import MLP
from gan_cli.components.optimizers import Adam, OptimizerConfig, RMSprop
from gan_cli.components.schedules import Linear
from gan_cli.config.nodes import Node
from gan_cli.config.schema import DeviceSection, Precision
from gan_cli.errors import ConfigError
from gan_cli.protocols.adversarial import Augmentation

if TYPE_CHECKING:
    from fractions import Fraction

ADAM = "gan_cli.components.optimizers.Adam"
LINEAR = {"_target_": "gan_cli.components.schedules.Linear", "start": 1.0, "end": 0.0, "steps": 10}


def refusal(node: Any, path: str = "optimizer", given: dict[str, Any] | None = None) -> list[str]:
    """The lines of the message that a node is refused with."""
    with pytest.raises(ConfigError) as refused:
        Node.parse(node, path, object, given or {}).build(**given or {})
    return str(refused.value).splitlines()


def built(node: dict[str, Any]) -> Any:
    """The object that a node describes."""
    return Node.parse(node, "part", object).build()


# ---- what is built


def test_node_is_built_with_the_nodes_inside_it() -> None:
    node = {"_target_": ADAM, "lr": 0.1, "betas": [0.0, 0.9], "decay": LINEAR}
    assert built(node) == Adam(lr=0.1, betas=(0.0, 0.9), decay=Linear(1.0, 0.0, 10))


def test_whole_number_is_a_float_where_one_is_expected() -> None:
    optimizer = built({"_target_": "gan_cli.components.optimizers.RMSprop", "lr": 1, "alpha": 0, "lr_g": 2})
    assert optimizer == RMSprop(lr=1.0, alpha=0.0, lr_g=2.0)
    assert [type(value) for value in (optimizer.lr, optimizer.alpha, optimizer.lr_g)] == [float, float, float]


def test_lists_become_tuples_so_that_a_built_part_is_immutable() -> None:
    node = {"_target_": "gan_cli.architectures.mlp.MLP", "generator_hidden": [8, 9]}
    assert built(node) == MLP(generator_hidden=(8, 9))


def test_null_is_for_what_may_be_null() -> None:
    node = {"_target_": "gan_cli.architectures.dcgan.DCGAN", "width_g": None, "width_d": 3}
    assert built(node) == DCGAN(width_g=None, width_d=3)
    (line,) = refusal({**node, "width": None}, "architecture")
    assert line.startswith("architecture.width: expected int, got None")


def test_enum_is_set_by_name() -> None:
    node = {"_target_": "gan_cli.config.schema.DeviceSection", "precision": "bf16"}
    assert built(node) == DeviceSection(precision=Precision.bf16)
    (line,) = refusal({**node, "precision": "fp16"}, "device")
    assert line == "device.precision: expected auto or fp32 or bf16, got 'fp16'"


def test_what_the_program_supplies_cannot_be_set_by_the_configuration() -> None:
    assert Node.parse({"_target_": ADAM}, "optimizer", object, {"lr"}).build(lr=0.2) == Adam(lr=0.2)
    (line,) = refusal({"_target_": ADAM, "lr": 0.1}, given={"lr": 0.2})
    assert line.startswith("optimizer.lr: Adam has no such key.")


@pytest.mark.parametrize("steps", [10.0, "10", "1e1", "1_0"])
def test_whole_number_is_an_integer_in_any_notation(steps: object) -> None:
    assert Node.parse({**LINEAR, "steps": steps}, "noise", object).arguments["steps"] == 10


def test_text_is_a_number_where_one_is_needed() -> None:
    node = {"_target_": ADAM, "lr": "1e-3", "lr_g": "0.5", "betas": ["0.5", 0.9]}
    assert Node.parse(node, "optimizer", object).arguments == {"lr": 1e-3, "lr_g": 0.5, "betas": (0.5, 0.9)}
    mlp = {"_target_": "gan_cli.architectures.mlp.MLP", "spectral_norm": "True", "generator_hidden": ["8", 16.0]}
    assert Node.parse(mlp, "architecture", object).arguments == {"spectral_norm": True, "generator_hidden": (8, 16)}


@dataclasses.dataclass
class Reader:
    """A class of a user's own with parameters that are paths."""

    folder: Path
    files: tuple[Path, ...] = ()
    cache: Path | None = None


def test_path_is_text_with_the_home_directory_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/x")
    monkeypatch.setenv("GAN_PLUGINS", __name__)
    node = {"_target_": f"{__name__}.Reader", "folder": "~/a b", "files": ["c", "~/d"]}
    assert built(node) == Reader(Path("/home/x/a b"), (Path("c"), Path("/home/x/d")))
    assert refusal({**node, "folder": 3, "cache": [1]}) == [
        "optimizer.folder: expected a path, got 3",
        "optimizer.cache: expected a path or null, got [1]",
    ]


class Measured:
    """A class of a user's own with a type that is imported for type checkers alone."""

    def __init__(self, units: Fraction) -> None:
        self.units = units


def test_type_that_only_a_type_checker_can_read_is_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_PLUGINS", __name__)
    assert built({"_target_": f"{__name__}.Measured", "units": 3}).units == 3
    assert refusal({"_target_": f"{__name__}.Measured"}) == ["optimizer.units: required by Measured, but not set"]


# ---- what is refused, and how that is said


@pytest.mark.parametrize(
    ("node", "key", "expected", "got"),
    [
        ({"_target_": ADAM, "lr": "fast"}, "lr", "float", "'fast'"),
        ({"_target_": ADAM, "lr": True}, "lr", "float", "True"),
        ({"_target_": ADAM, "lr": None}, "lr", "float", "None"),
        ({"_target_": ADAM, "lr": [0.1]}, "lr", "float", "[0.1]"),
        ({"_target_": ADAM, "lr_g": "fast"}, "lr_g", "float or null", "'fast'"),
        ({"_target_": ADAM, "betas": 0.5}, "betas", "list", "0.5"),
        ({"_target_": ADAM, "betas": [0.5]}, "betas", "list", "[0.5]"),
        ({"_target_": ADAM, "betas": [0.5, "x"]}, "betas", "float", "'x'"),
        ({"_target_": ADAM, "decay": 0.5}, "decay", "Schedule or null", "0.5"),
        ({**LINEAR, "steps": 10.5}, "steps", "int", "10.5"),
        ({**LINEAR, "steps": "10.5"}, "steps", "int", "'10.5'"),
        ({**LINEAR, "steps": False}, "steps", "int", "False"),
        ({"_target_": "gan_cli.architectures.mlp.MLP", "spectral_norm": 1}, "spectral_norm", "bool", "1"),
        ({"_target_": "gan_cli.architectures.mlp.MLP", "generator_hidden": "88"}, "generator_hidden", "int", "'88'"),
        (
            {"_target_": "gan_cli.architectures.mlp.MLP", "generator_hidden": [8, True]},
            "generator_hidden",
            "int",
            "True",
        ),
    ],
)
def test_wrong_type_is_reported_with_path_value_and_what_is_expected(
    node: dict[str, Any], key: str, expected: str, got: str
) -> None:
    (line,) = refusal(node, "some.where")
    assert line.startswith(f"some.where.{key}: expected ")
    assert expected in line
    assert got in line.partition("got ")[2]


def test_unknown_key_is_reported_with_the_nearest_match_or_with_all_keys() -> None:
    (line,) = refusal({"_target_": ADAM, "weight_decy": 0.1})
    assert line == "optimizer.weight_decy: Adam has no such key. Did you mean 'weight_decay'?"
    (line,) = refusal({"_target_": ADAM, "zzz": 0.1})
    assert line.startswith("optimizer.zzz: Adam has no such key. Allowed: ")
    assert all(key in line for key in ("lr", "lr_g", "lr_d", "betas", "eps", "weight_decay", "decay"))


def test_missing_key_is_reported() -> None:
    lines = refusal({"_target_": LINEAR["_target_"], "start": 1.0}, "noise")
    assert lines == [f"noise.{key}: required by Linear, but not set" for key in ("end", "steps")]


def test_value_out_of_range_is_reported_with_its_full_path() -> None:
    assert refusal({"_target_": ADAM, "lr": -1}) == ["optimizer.lr: expected a number > 0 and <= 1e+38, got -1.0"]
    assert refusal({"_target_": ADAM, "decay": {**LINEAR, "steps": 0}}) == [
        "optimizer.decay.steps: expected an integer from 1 to 1,000,000,000, got 0"
    ]


def test_mistakes_inside_nested_nodes_are_reported_with_their_path() -> None:
    assert refusal({"_target_": ADAM, "decay": {**LINEAR, "start": "x", "stps": 3}}) == [
        "optimizer.decay.start: expected float, got 'x'",
        "optimizer.decay.stps: Linear has no such key. Did you mean 'steps'?",
    ]
    (line,) = refusal({"_target_": ADAM, "decay": {"_target_": "os.system"}})
    assert line.startswith("optimizer.decay._target_: ")


def test_all_mistakes_of_a_node_are_reported_at_once() -> None:
    lines = refusal({"_target_": LINEAR["_target_"], "start": "x", "stop": 1, "steps": 1.5}, "noise")
    assert [line.partition(":")[0] for line in lines] == ["noise.start", "noise.stop", "noise.steps", "noise.end"]


@pytest.mark.parametrize("node", [3, "adam", None, [], {}, {"lr": 0.1}])
def test_what_is_no_node_is_refused(node: Any) -> None:
    (line,) = refusal(node)
    assert line == f"optimizer: expected a class and its settings, as an option of optimizer brings them, got {node!r}"


def test_class_of_another_kind_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ConfigError) as refused:
        Node.parse({"_target_": ADAM}, "augment", Augmentation)
    assert str(refused.value) == f"augment._target_: expected Augmentation, got {ADAM!r}"
    (line,) = refusal({"_target_": ADAM, "decay": {"_target_": ADAM}})
    assert line.startswith("optimizer.decay._target_: expected ")
    assert "Schedule" in line
    assert line.endswith(f", got {ADAM!r}")


def test_node_knows_its_class_and_arguments() -> None:
    node = Node.parse({"_target_": "gan_cli.optim.Adam", "betas": [0, 0.9], "decay": LINEAR}, "optimizer", Adam)
    assert (node.target, node.name, node.path) == (Adam, "gan_cli.optim.Adam", "optimizer")
    assert node.arguments["betas"] == (0.0, 0.9)
    decay = node.arguments["decay"]
    assert isinstance(decay, Node)
    assert (decay.path, decay.target, decay.arguments) == (
        "optimizer.decay",
        Linear,
        {"start": 1.0, "end": 0.0, "steps": 10},
    )
    assert node.may_be(OptimizerConfig)
    assert not node.may_be(Augmentation)


# ---- targets: a configuration is data and must not name code of its choice


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "subprocess.Popen",
        "builtins.eval",
        "torch.load",
        "torch.hub.load",
        "torch.Tensor",
        "torch.nnx.Linear",
        "gan_clix.optim.Adam",
        "Adam",
        "",
        3,
        None,
    ],
)
def test_target_outside_the_allowed_packages_is_refused(target: Any) -> None:
    (line,) = refusal({"_target_": target})
    assert line.startswith(
        f"optimizer._target_: only gan_cli.*, torch.nn.*, torch.optim.* may be built, got {target!r}. "
    )


@pytest.mark.parametrize(
    "target",
    [
        "gan_cli.storage.checkpoints.os.system",  # through a module's own imports
        "gan_cli.storage.checkpoints.os.popen",
        "gan_cli.storage.checkpoints.torch.load",
        "torch.nn.modules.module.torch.load",
        "gan_cli.storage.run_directory.json",  # a module
        "gan_cli.storage.run_directory.Path",  # a class defined elsewhere
        "gan_cli.runtime.rng.latent_walk",  # a function
        "gan_cli.storage.checkpoint_archive.load",
        "torch.nn.functional.relu",
        "gan_cli.components.losses",
        "gan_cli.components.losses.",
        "gan_cli..losses",
        "gan_cli.nowhere.Thing",
        "gan_cli.components.losses.Nothing",
    ],
)
def test_target_that_is_no_class_of_the_allowed_packages_is_refused(target: str) -> None:
    assert refusal({"_target_": target}) == [f"optimizer._target_: there is no class {target!r}"]


def test_refused_target_is_not_even_imported(tmp_path: Path) -> None:
    (tmp_path / "mischief.py").write_text("from pathlib import Path\nPath('ran').touch()\nclass Thing: ...\n")
    code = "from gan_cli.config.nodes import Node; Node.parse({'_target_': 'mischief.Thing'}, 'optimizer', object)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True, text=True)
    assert "ConfigError: optimizer._target_: only gan_cli.*" in ended.stderr
    assert not (tmp_path / "ran").exists()


def test_nothing_is_built_while_anything_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(Linear, "__post_init__", lambda self: made.append("Linear"))
    refusal({"_target_": ADAM, "decay": LINEAR, "lr": "x"})
    assert made == []
    node = Node.parse({"_target_": ADAM, "decay": LINEAR}, "optimizer", object)
    assert made == []
    node.build()
    assert made == ["Linear"]
