"""A family is a folder: what the commands ask of it is asked of its class, and no other file names it."""

from __future__ import annotations

import ast
import inspect
import re
from functools import cache
from pathlib import Path

import pytest

import gan_cli
from gan_cli.algorithms import spec
from gan_cli.algorithms.spec import AlgorithmSpec, algorithm_options, resolve_spec
from gan_cli.components.losses import Loss, NonSaturating
from gan_cli.config.diagnostics import ALARMS, DiagnosticsSection, Thresholds
from gan_cli.config.schema import Config
from gan_cli.config.sweep_metric import SweepMetric
from gan_cli.config.targets import parameters
from gan_cli.diagnostics.monitor import AlarmMonitor
from gan_cli.diagnostics.rules import NON_FINITE, Metrics, Suggestion, ThresholdRule
from gan_cli.errors import ConfigError
from gan_cli.metrics.directions import direction
from gan_cli.metrics.training_tags import own_alarms, training_tags
from gan_cli.protocols.algorithm import Algorithm
from gan_cli.protocols.data import Images, Sequences
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.telemetry.tensorboard_writer import TensorBoardLayout
from tests.helpers.plans import planned

PACKAGE = Path(gan_cli.__file__).parent
FAMILIES = tuple(path.name for path in sorted((PACKAGE / "algorithms").iterdir()) if (path / "__init__.py").is_file())
# The words that people type, and the tour, which visits the families.
NAME_ALL = {PACKAGE / "config" / "terms.py", *(PACKAGE / "tour").rglob("*.py")}
# Whatever works on a run of any family.
COMMON = tuple(file.parent.name for file in sorted(PACKAGE.glob("*/__init__.py")) if file.parent.name != "algorithms")


@cache
def _family_classes() -> frozenset[str]:
    """Names of the classes that are defined in the folder of a family."""
    files = [file for family in FAMILIES for file in (PACKAGE / "algorithms" / family).glob("*.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    return frozenset(node.name for node in nodes if isinstance(node, ast.ClassDef))


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def _names(node: ast.AST) -> set[str]:
    parts = list(ast.walk(node))
    names = {part.id for part in parts if isinstance(part, ast.Name)}
    return names | {part.attr for part in parts if isinstance(part, ast.Attribute)}


def test_there_are_families() -> None:
    assert {"gan", "autoencoders", "seqgan"} <= set(FAMILIES)
    assert {"GANTrainer", "VAE", "SeqGAN"} <= _family_classes()


@pytest.mark.parametrize("package", COMMON)
def test_no_other_module_imports_a_family_or_asks_for_its_classes(package: str) -> None:
    folders = tuple(f"gan_cli.algorithms.{family}." for family in FAMILIES)
    for file in sorted((PACKAGE / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            assert not [name for name in _imported(node) if f"{name}.".startswith(folders)], file
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("isinstance", "issubclass"):
                assert not _names(node.args[1]) & _family_classes(), (file, ast.unparse(node))
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and file not in NAME_ALL:
                assert not re.search("algorithm=[a-z]", node.value), (file, node.value)


@pytest.mark.parametrize("option", algorithm_options())
def test_every_option_is_a_family_with_both_sides(option: str) -> None:
    family = algorithm_options()[option]
    methods = [name for name, part in vars(Algorithm).items() if inspect.isfunction(part) and not name.startswith("_")]
    assert "update" in methods
    assert all(hasattr(family, name) for name in methods)
    loader = "load_text_sampler" if Sequences in family.supported_data else "load_sampler"
    assert getattr(family, loader).__func__ is not getattr(AlgorithmSpec, loader).__func__, "no way to sample it"


@pytest.mark.parametrize("option", algorithm_options())
def test_tags_that_a_sweep_may_optimize_have_a_direction(option: str) -> None:
    family = algorithm_options()[option]
    loss = Loss(NonSaturating()) if "loss" in parameters(family) else None
    assert family.reports(loss)
    assert all(direction(tag) for tag in family.reports(loss))


def test_tags_of_families_are_declared_once() -> None:
    names = [tag.name for tag in training_tags()]
    assert len(names) == len(set(names))
    assert {"vae/elbo", "reward/mean"} <= set(names)


def test_alarms_of_families_are_the_same_to_tensorboard_and_to_reports() -> None:
    assert {name for family in algorithm_options().values() for name in family.own_alarms} == set(own_alarms())
    assert not set(own_alarms()) & {*ALARMS, NON_FINITE}


def test_sweep_of_a_family_without_such_tags_costs_one_line() -> None:
    with pytest.raises(ConfigError, match=r"this run reports metrics/\.\.\., not vae/elbo"):
        SweepMetric("vae/elbo").require_measured(Config(), frozenset())
    with pytest.raises(ConfigError, match=r"but that is 0: train\.eval_every=500$"):
        SweepMetric("metrics/frechet").require_measured(Config(), frozenset())


class Minimal(AlgorithmSpec):
    """A family that declares as little as it can."""

    supported_data = (Images,)
    own_alarms = ("too_large",)

    @classmethod
    def outline(cls, architecture: object, sizes: spec.Sizes) -> spec.Outline:
        raise NotImplementedError


class TooLarge(ThresholdRule):
    """A rule with thresholds of its own."""

    name = "too_large"
    needs = ("loss",)
    limits = Thresholds(patience=2, acts=True)

    def severity(self, metrics: Metrics) -> float:
        return float(metrics["loss"] > 1)

    def message(self, metrics: Metrics) -> str:
        return f"the loss is {metrics['loss']}"

    def suggestion(self, metrics: Metrics) -> Suggestion:
        return Suggestion("optimizer.lr=1e-4", "smaller steps")


def test_what_a_family_does_not_declare_costs_one_line() -> None:
    run = RunDirectory(Path("run"))
    calls = [
        lambda: Minimal.load_sampler(run, spec.GeneratorWeights.average),
        lambda: Minimal.load_text_sampler(run),
        lambda: Minimal.load_likelihood_model(run, spec.GeneratorWeights.average),
        lambda: Minimal.load_exportable(run),
    ]
    for call in calls:
        with pytest.raises(ConfigError, match=r"^run: .*Minimal[^\n]*$"):
            call()
    assert not Minimal.has_posterior
    assert (Minimal.alarm_rules(planned().config, planned()), Minimal.reports(None)) == ([], frozenset())


def test_an_alarm_needs_no_section_of_the_configuration() -> None:
    assert "diagnosis/too_large" in TensorBoardLayout.for_family(Minimal).charts["Alarms"]
    monitor = AlarmMonitor(DiagnosticsSection(), [TooLarge()])
    raised = [alarm for step in (1, 2) for alarm in monitor.check(step, {"loss": 2.0}).raised]
    assert [(alarm.name, alarm.step) for alarm in raised] == [("too_large", 2)]
    assert monitor.actionable(raised[0])


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (None, "algorithm: expected a class and its settings"),
        ({"_target_": "torch.nn.Linear"}, "algorithm._target_: expected a class of algorithms"),
        ({"_target_": "os.system"}, "algorithm._target_: only gan_cli."),
    ],
)
def test_other_nodes_are_rejected(node: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolve_spec(node)
