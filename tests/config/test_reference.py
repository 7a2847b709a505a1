"""Groups, options, parameters and settings as ``--help`` and the reference pages describe them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gan_cli.config.compose import compose, register
from gan_cli.config.reference import docstrings
from gan_cli.config.reference.annotations import describe_type
from gan_cli.config.reference.classes import describe_class
from gan_cli.config.reference.console import HelpPages
from gan_cli.config.reference.groups import GROUPS
from gan_cli.config.reference.options import Catalog, shared_parameters
from gan_cli.config.reference.settings import find_sections, sections
from gan_cli.config.schema import conf_dir
from gan_cli.config.targets import parameters, resolve
from gan_cli.errors import ConfigError
from tests.conftest import Command
from tests.helpers.options import option_nodes

CATALOG = Catalog()
PAGES = HelpPages(CATALOG)
NODES = [each for each in option_nodes() if not str(each[2]["_target_"]).startswith("gan_cli.sweeps")]
MAX_OVERVIEW_LINES = 45


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A ring (Lin et al. 2018, eq. 3). More.", "A ring (Lin et al. 2018, eq. 3)"),
        ("One line\nand another. optimizer.lr=0 keeps it.", "One line and another"),
        ("No period at the end", "No period at the end"),
        ("Sets lr. Below:\n  key  value", "Sets lr"),
        ("Below it\n  key  value", "Below it"),
    ],
)
def test_first_sentence(text: str, expected: str) -> None:
    assert docstrings.first_sentence(text) == expected


def test_parameters_of_a_docstring() -> None:
    docstring = """Does something.

    Attributes:
        first: one line
            and another: with a colon.
        second: the next.

    Raises:
        ValueError: never.
    """
    assert docstrings.parameters(docstring) == {"first": "one line and another: with a colon.", "second": "the next."}
    assert docstrings.description(docstring) == "Does something."


@pytest.mark.parametrize(("file", "path", "node"), NODES, ids=lambda value: value if isinstance(value, str) else "")
def test_class_read_as_source_has_the_signature_of_the_imported_one(
    file: str, path: str, node: dict[str, object]
) -> None:
    target = str(node["_target_"])
    imported = parameters(resolve(target, path))
    read = describe_class(target).parameters
    for name in set(node) - {"_target_", "defaults"}:
        assert describe_type(read[name].annotation) == describe_type(imported[name].annotation)
    assert set(imported) <= set(read)


def test_every_group_of_conf_is_described() -> None:
    folders = {file.parent.relative_to(conf_dir()).as_posix() for file in conf_dir().rglob("*.yaml")}
    assert set(GROUPS) == folders - {"."}


@pytest.mark.parametrize("group", GROUPS)
def test_every_option_and_every_parameter_has_a_text(group: str) -> None:
    for option in CATALOG.options(group):
        assert len(option.summary) > 5, option.name
        without = [parameter.key for parameter in option.parameters if not parameter.text or not parameter.allowed]
        assert without == [], option.name


def test_every_setting_has_a_text() -> None:
    for section in sections():
        assert section.text
        assert all(setting.text and setting.allowed for setting in section.settings)
    names = [section.name for section in sections()]
    assert {"", "train", "loss.warmup", "diagnostics.mode_collapse"} < set(names)


def test_nodes_are_not_among_the_settings_because_they_are_options_of_groups() -> None:
    keys = {setting.key for section in sections() for setting in section.settings}
    assert not keys & {"dataset", "architecture", "algorithm", "optimizer", "noise", "augment", "loss.penalty"}


def test_settings_have_defaults_and_ranges() -> None:
    (train,) = find_sections("train")
    rows = {setting.key: (setting.default, setting.allowed) for setting in train.settings}
    assert rows["train.batch_size"] == ("64", "an integer >= 1")
    assert rows["train.held_out"] == ("0.05", "a number from 0 to 0.5")
    assert rows["train.non_finite"] == ("null", "stop, rollback or skip, or null")


def test_defaults_are_those_of_a_composition() -> None:
    register()
    chosen = compose([]).choices
    for group, name in chosen.items():
        if group in CATALOG.defaults:
            assert CATALOG.defaults[group] == name
    assert CATALOG.defaults["algorithm/estimator"] == "rollouts"


def test_parameter_of_several_options_is_listed_once_with_all_defaults() -> None:
    shared = {each.parameter.key: each.defaults for each in shared_parameters(CATALOG.options("optimizer"))}
    assert shared["optimizer.momentum"] == {"sgd": "0.5"}
    assert {"adam", "rmsprop", "sgd"} < set(shared["optimizer.weight_decay"])


def test_overview_is_short_and_marks_defaults() -> None:
    text = PAGES.overview()
    assert len(text.splitlines()) <= MAX_OVERVIEW_LINES
    assert all(group in text for group in GROUPS)
    for marked in ("digits*", "jsd*", "auto*"):
        assert marked in text


@pytest.mark.parametrize("width", [40, 60, 80])
def test_pages_fit_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    longest = max((line for line in PAGES.topic("all").splitlines() if not line.startswith(" " * 4)), key=len)
    assert len(longest) <= width or " " not in longest.strip()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("loss", ["* jsd", "non-saturating", "loss.constraint.c [0.01]  a number > 0  (of wgan)", "loss.d_steps [1]"]),
        ("loss/penalty", ["loss.penalty.r1.weight", "factor on the penalty's values"]),
        ("loss.penalty", ["loss.penalty.r1.weight"]),
        ("loss=wgan", ["It chooses optimizer=rmsprop", "loss.d_steps=5", "loss.constraint.c [0.01]"]),
        ("loss/penalty=[r1,r2]", ["loss/penalty=r1", "loss/penalty=r2"]),
        ("wgan", ["loss=wgan"]),
        ("train", ["train.steps [2000]  an integer >= 1", "generator updates to train for"]),
        ("diagnostics", ["diagnostics.mode_collapse.patience"]),
        ("noise.start", ["value at step 0"]),
        ("batch_size", ["train.batch_size [64]"]),
        ("architecture", ["mlp_deep, mlp_small: 16"]),
        ("device", ["A CUDA GPU", "device.precision [auto]"]),
        ("hydra/launcher", ["joblib"]),
        ("all", ["experiment=OPTION", "evaluation.backbone"]),
    ],
)
def test_topic(word: str, expected: list[str]) -> None:
    text = " ".join(PAGES.topic(word).split())
    for words in expected:
        assert " ".join(words.split()) in text


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("los", "Did you mean 'loss'?"),
        ("loss/penalti", "Did you mean 'loss/penalty'?"),
        ("loss=wgn", "Did you mean 'wgan'?"),
        ("train.step", "Did you mean 'train.steps'?"),
        ("qqqq", "Groups: dataset, "),
    ],
)
def test_misspelt_topic_gets_the_nearest(word: str, hint: str) -> None:
    with pytest.raises(ConfigError, match="--help: there is no") as raised:
        PAGES.topic(word)
    assert hint in str(raised.value)


def test_command_prints_a_topic(gan_train: Command, workplace: Path) -> None:
    for arguments in (["--help", "noise"], ["noise", "--help"], ["-h", "noise"]):
        done = gan_train(*arguments)
        assert (done.status, done.err) == (0, "")
        assert done.out == f"{PAGES.topic('noise')}\n"
    done = gan_train("--help", "nosie")
    assert (done.status, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert list(workplace.iterdir()) == []


def test_options_of_a_folder_of_ones_own_are_described_by_their_class(
    gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = workplace / "my_conf" / "loss"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("# A loss of mine.\nobjective: {_target_: own_loss_of_mine.Mine, margin: 2.0}\n")
    (workplace / "own_loss_of_mine.py").write_text(
        'import torch\n\n\nclass Mine:\n    """Mine.\n\n    Args:\n        margin: how far.\n    """\n\n'
        "    def __init__(self, margin: float, other: torch.Tensor | None = None) -> None: ...\n"
    )
    monkeypatch.syspath_prepend(str(workplace))
    done = gan_train("--config-dir", "my_conf", "--help", "loss=mine")
    assert "A loss of mine" in done.out
    assert "loss.objective.margin [2.0]  a number" in done.out
    assert "how far" in done.out
    assert "own_loss_of_mine" not in sys.modules


def test_options_are_completed(gan_train: Command, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMP_LINE", "gan-train noise=")
    monkeypatch.setenv("COMP_POINT", "16")
    done = gan_train("-sc", "query=bash")
    assert done.out.split() == [f"noise={name}" for name in CATALOG.names("noise")]
