"""Kinds of datasets, told by the source of their classes: to import one takes torch, and seconds. Imports no torch.

A class of the user's own (``GAN_PLUGINS``) may be built of anything, and is imported.
"""

from __future__ import annotations

from dataclasses import dataclass

from gan_cli.config.interfaces import may_be_instance
from gan_cli.config.reference.classes import returned_types
from gan_cli.config.targets import ALLOWED_PREFIXES, resolve
from gan_cli.storage.moved_targets import present_name


@dataclass(frozen=True)
class DatasetKind:
    """Kind of a dataset, as far as settings are chosen by it.

    Attributes:
        points: whether the data are points in the plane: neither images nor sequences, nor rows of a table.
        rows: whether they are rows of a table.
        modes: whether they are a mixture whose modes are known (``Modal``).
        countable: whether the number of images is known before they are read (``CountableImages``).
        settling: whether its data decide settings that are ``auto`` (``SelfSettling``).
    """

    points: bool = False
    rows: bool = False
    modes: bool = False
    countable: bool = False
    settling: bool = False


def dataset_kind(target: str) -> DatasetKind:
    """Return the kind of a class of datasets by its full name; nothing holds for what is no dataset.

    Raises:
        ConfigError: a class of the user's own cannot be imported.
    """
    target = present_name(target)
    return _of_source(target) if target.startswith(ALLOWED_PREFIXES) else _of_class(resolve(target, "dataset"))


def _of_source(target: str) -> DatasetKind:
    loaded = returned_types(target, "load")
    if loaded is None:
        return DatasetKind()
    return DatasetKind(
        points={"Images", "Rows", "Sequences"}.isdisjoint(loaded),
        rows="Rows" in loaded,
        modes=returned_types(target, "centres") is not None,
        countable=returned_types(target, "count_images") is not None,
        settling=returned_types(target, "automatic_settings") is not None,
    )


def _of_class(found: type) -> DatasetKind:
    from gan_cli.protocols.data import (  # these import torch
        CountableImages,
        Dataset,
        Density,
        Modal,
        Rows,
        SelfSettling,
        data_kinds,
    )

    if not may_be_instance(found, Dataset):
        return DatasetKind()
    return DatasetKind(
        points=set(data_kinds(found)) == {Density},
        rows=Rows in data_kinds(found),
        modes=may_be_instance(found, Modal),
        countable=may_be_instance(found, CountableImages),
        settling=may_be_instance(found, SelfSettling),
    )
