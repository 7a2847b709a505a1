"""Settings that are chosen for a run: ``${auto:norm_d,batch}`` in an option file is ``batch``, or what suits better.

Settings of a dataset that are ``auto``, such as ``dataset.range``, are what its data say.

What is chosen is stored in the run's configuration like any other value, so that a resumed run keeps it; whoever sets
the key, in an option or on the command line, has chosen it themselves.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import groupby
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from gan_cli.config.dataset_kind import DatasetKind, dataset_kind
from gan_cli.config.fields import Auto
from gan_cli.config.nodes import Node
from gan_cli.config.small_data import settings_for, table_settings_for
from gan_cli.errors import ConfigError, DataError, did_you_mean
from gan_cli.storage.interpolations import AUTOMATIC, escape

logger = logging.getLogger(__name__)

# The penalties for tables; their weights are those of the literature.
TABLE_PENALTIES = {
    name: {"_target_": f"gan_cli.components.regularizers.{name.upper()}", "weight": 10.0, "every": 1}
    for name in ("r1", "r2")
}
# Factors on the learning rates and the penalties of the literature for points in the plane.
POINTS_RATE, POINTS_WEIGHT = 10.0, 0.01
# And on the learning rates for tables.
TABLE_RATE = 10.0


@dataclass(frozen=True)
class Choice:
    """A value chosen for a setting.

    Attributes:
        value: as it stands in the configuration.
        reason: what it was chosen for, in a few words; empty for the usual value, which is not worth a line.
        option: the override that would choose the same; empty: the key and the value.
    """

    value: Any
    reason: str = ""
    option: str = ""


@dataclass(frozen=True)
class Situation:
    """Facts that choices depend on.

    Attributes:
        config: the composed configuration, with interpolations unresolved.
    """

    config: DictConfig

    @property
    def has_penalties(self) -> bool:
        """True where D's gradient is penalized."""
        return bool(OmegaConf.select(self.config, "loss.penalty"))

    @property
    def shares_rate(self) -> bool:
        """True where the rate of G or of D follows ``optimizer.lr``, or none of them is known."""
        node = OmegaConf.select(self.config, "optimizer")
        rates = OmegaConf.to_container(node, resolve=False) if isinstance(node, DictConfig) else {}
        assert isinstance(rates, dict)
        return any(isinstance(rates.get(key, "${.lr}"), str) for key in ("lr_g", "lr_d"))

    @property
    def is_plain_game(self) -> bool:
        """True where G and D play a game in which nothing bounds D."""
        return bool(OmegaConf.select(self.config, "loss.objective")) and not OmegaConf.select(
            self.config, "loss.constraint"
        )

    @property
    def has_rows(self) -> bool:
        """True where the data are rows of a table."""
        return self._kind.rows

    @property
    def has_points(self) -> bool:
        """True where the data are points in the plane."""
        return self._kind.points

    @property
    def has_modes(self) -> bool:
        """True where the data are a mixture whose modes are known."""
        return self._kind.modes

    @cached_property
    def images(self) -> int | None:
        """Number of the user's own images; None for other data, and where they cannot be listed."""
        count = self._answer("count_images") if self._kind.countable else None
        return None if count is None else int(count)

    @cached_property
    def of_dataset(self) -> Mapping[str, Choice]:
        """Choices for settings of the dataset that are ``auto``, by key; empty where the data do not tell."""
        values = OmegaConf.to_container(self._dataset, resolve=False)
        assert isinstance(values, dict)
        if Auto.auto.name not in map(str, values.values()) or not self._kind.settling:
            return {}
        found = self._answer("automatic_settings") or {}
        return {f"dataset.{key}": Choice(_escaped(each.value), each.reason) for key, each in found.items()}

    @cached_property
    def rows(self) -> int | None:
        """Number of rows of the user's own table; None for other data, and where it cannot be read."""
        count = self._answer("count_rows") if self._kind.rows else None
        return None if count is None else int(count)

    def _answer(self, method: str) -> Any:
        """Return what a method of the dataset returns, or None where the data cannot be read."""
        try:
            return getattr(self._built, method)()
        except (ConfigError, DataError, ValueError):  # told when the configuration is checked, or the data are loaded
            return None

    @cached_property
    def _built(self) -> object:
        """The dataset, built once: what it has read answers several questions."""
        return Node.parse(OmegaConf.to_container(self._dataset, resolve=True), "dataset", object).build()

    @cached_property
    def _kind(self) -> DatasetKind:
        try:
            target = self._dataset.get("_target_")
            return dataset_kind(target) if isinstance(target, str) else DatasetKind()
        except (ConfigError, ValueError):  # told when the configuration is checked
            return DatasetKind()

    @property
    def _dataset(self) -> DictConfig:
        node = OmegaConf.select(self.config, "dataset")
        return node if isinstance(node, DictConfig) else OmegaConf.create({})


def norm_d(situation: Situation, usual: str) -> Choice:
    """Choose the normalisation of D's layers: layer norm in place of batch norm where D's gradient is penalized.

    Penalties bound the gradient sample by sample, but with batch norm D's logit of one sample depends on the others
    (Gulrajani et al. 2017, section 4).
    """
    return Choice("layer", "a gradient penalty") if situation.has_penalties else Choice(usual)


def scaled_for_points(situation: Situation, usual: float, factor: float) -> Choice:
    """Choose a multiple of the usual number for points in the plane.

    The learning rates and the penalties of the literature are for wide networks on images: D's gradient at narrow
    structures in the plane is a hundred times as large.
    """
    return Choice(_rounded(factor * usual), "points in the plane") if situation.has_points else Choice(usual)


def learning_rate(situation: Situation, usual: float) -> Choice:
    """Choose the learning rate: as for points for a table, too.

    Where G and D have rates of their own, it is used by none and not worth a line.
    """
    if situation.has_rows:
        choice = Choice(_rounded(TABLE_RATE * usual), "a table")
    else:
        choice = scaled_for_points(situation, usual, POINTS_RATE)
    return choice if situation.shares_rate else Choice(choice.value)


def critic_penalty(situation: Situation, usual: float) -> Choice:
    """Choose the weight of WGAN-GP's penalty: less for mixtures in the plane.

    At weight w and distance W the critic's slope is 1 + W / 2w. Where modes are narrow, W is small long before G has
    found them; WGAN-GP's authors have a weight of 0.1 in their own experiments in the plane (gan_toy.py). Other data
    keep the paper's, at which the critic's value is the distance.
    """
    return Choice(_rounded(POINTS_WEIGHT * usual), "modes in the plane") if situation.has_modes else Choice(usual)


def penalty(situation: Situation, usual: object) -> Choice:
    """Choose the penalties on D's gradient where none is asked for: R1 and R2 for the rows of a table.

    Tables are small, and without a penalty D tells their rows from all others: G follows it in circles.
    """
    if situation.has_rows and situation.is_plain_game:
        return Choice(TABLE_PENALTIES, "a table", "loss/penalty=[r1,r2]")
    return Choice(usual)


def by_number_of_images(situation: Situation, usual: object, setting: str) -> Choice:
    """Choose a setting by the number of the user's own images; see :mod:`gan_cli.config.small_data`."""
    if situation.images is None:
        return Choice(usual)
    return Choice(getattr(settings_for(situation.images), setting), f"{situation.images:,} images")


def by_number_of_rows(situation: Situation, usual: object, setting: str) -> Choice:
    """Choose a setting by the number of rows of the user's own table; see :mod:`gan_cli.config.small_data`."""
    if situation.rows is None:
        return Choice(usual)
    return Choice(getattr(table_settings_for(situation.rows), setting), f"{situation.rows:,} rows")


CHOOSERS: Mapping[str, Callable[[Situation, Any], Choice]] = {
    "norm_d": norm_d,
    "learning_rate": learning_rate,
    "critic_penalty": critic_penalty,
    "penalty": penalty,
    "penalty_weight": partial(scaled_for_points, factor=POINTS_WEIGHT),
    "table_steps": partial(by_number_of_rows, setting="steps"),
    "table_batch_size": partial(by_number_of_rows, setting="batch_size"),
    "steps": partial(by_number_of_images, setting="steps"),
    "batch_size": partial(by_number_of_images, setting="batch_size"),
    "width": partial(by_number_of_images, setting="width"),
    "half_life": partial(by_number_of_images, setting="half_life"),
    "augmentation": partial(by_number_of_images, setting="augmentation"),
}


def choose(name: str, usual: object, situation: Situation) -> Choice:
    """Return the choice for ``${auto:NAME,USUAL}``; raises ``ConfigError`` for an unknown name."""
    if name not in CHOOSERS:
        hint = did_you_mean(name, CHOOSERS) or f" Allowed: {', '.join(CHOOSERS)}."
        raise ConfigError(f"${{auto:{name},...}}: there is no such choice.{hint}")
    return CHOOSERS[name](situation, usual)


def register() -> None:
    """Register the resolver ``auto`` with OmegaConf; may be called repeatedly."""

    def value(name: str, usual: object, *, _root_: DictConfig) -> Any:
        return choose(name, usual, Situation(_root_)).value

    OmegaConf.register_new_resolver("auto", value, replace=True)


def settle(config: DictConfig) -> tuple[DictConfig, dict[str, Choice]]:
    """Return a copy of a composed configuration with the choices that it leaves to the program, and these by key."""
    settled, situation = config.copy(), Situation(config)
    calls = _calls(OmegaConf.to_container(config, resolve=False), ())
    choices = {key: choose(name, usual, situation) for key, name, usual in calls} | dict(situation.of_dataset)
    for key, choice in choices.items():
        OmegaConf.update(settled, key, choice.value)
    return settled, choices


def log_choices(choices: Mapping[str, Choice]) -> None:
    """Log what was chosen and why in one line, unless all is as usual."""
    unusual = sorted(
        (choice.reason, choice.option or f"{key}={choice.value}") for key, choice in choices.items() if choice.reason
    )
    parts = [
        f"{', '.join(setting for _, setting in group)} for {reason}"
        for reason, group in groupby(unusual, lambda item: item[0])
    ]
    if parts:
        logger.info("chosen automatically: %s. To choose otherwise, set the key", "; ".join(parts))


def _escaped(value: Any) -> Any:
    """Return a value whose texts, such as names of columns, stand for themselves in a configuration."""
    if isinstance(value, list):
        return [_escaped(each) for each in value]
    return escape(value) if isinstance(value, str) else value


def _rounded(number: float) -> float:
    """Return a product without the error of its last digits."""
    return float(f"{number:.6g}")


def _calls(value: object, path: Sequence[str]) -> Iterator[tuple[str, str, Any]]:
    """Yield the dotted key, the name and the usual value of every ``${auto:NAME,USUAL}`` in plain values."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _calls(inner, (*path, str(key)))
    elif isinstance(value, str) and (call := AUTOMATIC.fullmatch(value)) is not None:
        yield ".".join(path), call[1], yaml.safe_load(call[2])
