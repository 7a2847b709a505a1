"""The registry of metrics: what stands beside a function that computes one, and all that is declared so.

A declaration is data attached to its function, and a module that is loaded registers nothing. :func:`registered`
collects the declarations of this package's modules and of the user's own at the first question, so that ``--help``
loads none of them. No module of this package loads torch: sweeps and ``gan-report`` ask for directions without it.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar, get_args

from gan_cli.errors import ConfigError, did_you_mean
from gan_cli.storage.plugins import PLUGINS, plugin_modules

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)

# Metrics of fewer samples than this are not computed.
MIN_SAMPLES = 10
# Most samples that gan-eval measures: some metrics look at pairs of samples, and published ones take half as many.
MAX_SAMPLES = 100_000
# Rank of a metric that is no default column of reports.
UNRANKED = 1000

# What a metric is computed from, in the order of evaluation; ``metric`` says which arguments that makes.
Need: TypeAlias = Literal[
    "moments",
    "features",
    "channel_classes",
    "classes",
    "images",
    "mixture",
    "table",
    "held_out",
    "training",
    "log_weights",
    "oracle_nll",
    "sentences",
    "model_nll",
]
NEEDS: tuple[Need, ...] = get_args(Need)
DECLARATION = "__metric__"

# A number, or one for each of some samples.
Value: TypeAlias = "float | Tensor"
OneNumber = TypeVar("OneNumber", bound="Callable[..., float]")
Numbers = TypeVar("Numbers", bound="Callable[..., Mapping[str, Value]]")


@dataclass(frozen=True)
class MetricInfo:
    """Name, unit and direction of one number.

    Attributes:
        name: in ``evaluation.json``, before the slash that the backbone follows; of a number in an algorithm's own
            reports its tag, or the part of several tags before the slash.
        unit: ``share`` of samples, ``nats`` and the like; empty for a plain number.
        better: ``lower``, ``higher`` or, where neither is, the value to aim for.
        description: a few words, as they are printed.
        rank: place among the columns of reports, the smallest first.
        ceiling: the largest value that it can have; None: it has none, or reports need not show it.
        published: backbone -> the number by the name that it is published under with that backbone.
    """

    name: str
    unit: str = ""
    better: str = "lower"
    description: str = ""
    rank: int = UNRANKED
    ceiling: float | None = None
    published: Mapping[str, MetricInfo] = field(default_factory=dict)

    def tag(self, backbone: str) -> str:
        """Return the name by features of a backbone: ``frechet/pixels``, or the published name alone."""
        known = self.published.get(backbone)
        return f"{self.name}/{backbone}" if known is None else known.name


@dataclass(frozen=True)
class Metric:
    """A function that is declared as a metric.

    Attributes:
        function: computes the metric; returns one number, or several by name.
        numbers: the numbers that it returns.
        needs: decides the arguments, as ``metric`` says.
        backbone: the only backbone whose features it is computed from; None: all.
        while_training: keyword arguments of ``train.eval_every`` that differ from the function's defaults; None: it is
            computed by ``gan-eval`` alone.
    """

    function: Callable[..., Value | Mapping[str, Value]]
    numbers: tuple[MetricInfo, ...]
    needs: Need
    backbone: str | None
    while_training: Mapping[str, object] | None

    @property
    def path(self) -> str:
        """Name of the function with its module."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    def compute(self, *arguments: object, **options: object) -> Mapping[str, Value]:
        """Call the function, and return its numbers by name, whether it returns one or several.

        Raises:
            ValueError: it returned a number that it does not declare.
        """
        result = self.function(*arguments, **options)
        found = result if isinstance(result, Mapping) else {self.numbers[0].name: result}
        undeclared = found.keys() - {info.name for info in self.numbers}
        if undeclared:
            raise ValueError(f"{self.path} returned {min(undeclared)!r}, which it does not declare")
        return found


def metric(
    name: str,
    unit: str = "",
    better: str = "lower",
    needs: Need = "features",
    *,
    description: str = "",
    rank: int = UNRANKED,
    published: Mapping[str, MetricInfo] = MappingProxyType({}),
    backbone: str | None = None,
    while_training: Mapping[str, object] | None = MappingProxyType({}),
) -> Callable[[OneNumber], OneNumber]:
    """Declare a function as a metric that is one number; for several see :func:`metrics`.

    The function is called with positional arguments: arrays of rows, N of real and M of generated samples.

    ===================  ======================================================================================
    needs                arguments
    ===================  ======================================================================================
    ``features``         ``(real, generated)``, ``(N, D)`` and ``(M, D)`` by a backbone, with N at most M
    ``moments``          ``(real, generated)``, each a ``frechet.GaussianMoments`` of features
    ``held_out``         ``(held_out, generated)``, features of equally many samples, at most 1,000
    ``training``         ``(training, held_out, generated)``, features of all training and of at most 2,000 others
    ``classes``          ``(predicted, labels, K)``, classes of generated samples, of the data, and their number
    ``channel_classes``  ``(predicted,)``, the class of each channel of generated images, ``(M, C)``
    ``images``           ``(images,)``, generated ones, ``(M, C, H, W)`` in [-1, 1]
    ``mixture``          ``(points, centres, std)``, generated points and the modes of a mixture in the plane
    ``table``            ``(training, generated)``, all rows of a table that were trained on, and generated ones
    ``sentences``        ``(sets,)``, a ``sentences.SentenceSets``
    ``oracle_nll``       ``(nll,)``, of generated sequences by the data's own law, in nats a token
    ``model_nll``        ``(nll,)``, of held-out sequences by the model itself, in nats a token
    ``log_weights``      ``(weights,)``, ``(N, K)``; returns a number for each of N test samples
    ===================  ======================================================================================

    A function with a parameter ``seed`` gets the seed of the evaluation, too.

    Args:
        name: as in :class:`MetricInfo`, and so ``unit``, ``better``, ``rank`` and ``published``.
        unit: of the number.
        better: which way it improves.
        needs: decides the arguments.
        description: a few words; empty: the first line of the function's docstring.
        rank: place among the columns of reports.
        published: names under which it is published with a backbone.
        backbone: as in :class:`Metric`, and so ``while_training``.
        while_training: keyword arguments while a run trains.

    Raises:
        ConfigError: ``needs`` is none of those above.
    """

    def declare(function: OneNumber) -> OneNumber:
        text = description or (function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        info = MetricInfo(name, unit, better, text, rank, published=published)
        _declare(function, (info,), needs, backbone, while_training)
        return function

    return declare


def metrics(
    *numbers: MetricInfo,
    needs: Need = "features",
    backbone: str | None = None,
    while_training: Mapping[str, object] | None = MappingProxyType({}),
) -> Callable[[Numbers], Numbers]:
    """Declare a function as a metric of several numbers, which it returns by their names; otherwise as :func:`metric`.

    Raises:
        ConfigError: ``needs`` is none of those that :func:`metric` lists.
    """

    def declare(function: Numbers) -> Numbers:
        _declare(function, numbers, needs, backbone, while_training)
        return function

    return declare


def _declare(
    function: Callable[..., Value | Mapping[str, Value]],
    numbers: tuple[MetricInfo, ...],
    needs: Need,
    backbone: str | None,
    while_training: Mapping[str, object] | None,
) -> None:
    if needs not in NEEDS:
        hint = did_you_mean(needs, NEEDS) or f" Allowed: {', '.join(NEEDS)}."
        raise ConfigError(f"metric {numbers[0].name!r}: needs: there is no {needs!r}.{hint}")
    setattr(function, DECLARATION, Metric(function, numbers, needs, backbone, while_training))


def registered(needs: Need | None = None) -> tuple[Metric, ...]:
    """Return all metrics, or those with one need, in the order of evaluation.

    Raises:
        ConfigError: two metrics have a name in common.
    """
    found = _collect(plugin_modules())
    return tuple(each for each in found if needs in (None, each.needs))


def metric_infos() -> Mapping[str, MetricInfo]:
    """Return every number by its name, published names among them."""
    return _by_name(plugin_modules())


def metric_info(name: str) -> MetricInfo:
    """Return the number of a name in ``evaluation.json``, ``fid/inception`` for one."""
    return metric_infos()[name.partition("/")[0]]


@cache
def _collect(plugins: tuple[str, ...]) -> tuple[Metric, ...]:
    found = [declared for module in _modules(plugins) for declared in _declared(module)]
    return tuple(sorted(found, key=lambda each: NEEDS.index(each.needs)))


@cache
def _by_name(plugins: tuple[str, ...]) -> Mapping[str, MetricInfo]:
    infos: dict[str, MetricInfo] = {}
    for declared in _collect(plugins):
        for number in (each for info in declared.numbers for each in (info, *info.published.values())):
            if infos.setdefault(number.name, number) != number:
                raise ConfigError(f"{declared.path}: there is another metric {number.name!r}; choose another name")
    return MappingProxyType(infos)


def _modules(plugins: tuple[str, ...]) -> Iterator[ModuleType]:
    for module in pkgutil.iter_modules([str(Path(__file__).parent)], f"{__package__}."):
        yield importlib.import_module(module.name)
    for name in plugins:
        try:
            yield importlib.import_module(name)
        except ImportError as error:
            # It may hold a loss alone, or nothing that this command needs.
            logger.warning("%s: %s cannot be imported, nor any metrics in it: %s", PLUGINS, name, error)


def _declared(module: ModuleType) -> list[Metric]:
    """Return the metrics that are defined in a module, in the order of their definition."""
    found = (getattr(value, DECLARATION, None) for value in vars(module).values())
    return [each for each in found if isinstance(each, Metric) and each.function.__module__ == module.__name__]
