"""The Street View House Numbers, cropped digits: from the data root if present, else from a mirror."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from gan_cli.data.download import download
from gan_cli.data.memory import require_memory
from gan_cli.data.published_files import PublishedFile
from gan_cli.datasets.base import PublishedImages, checking_present_file, is_present, missing_files_error
from gan_cli.errors import DataError
from gan_cli.protocols.data import Images
from gan_cli.storage.reading import open_regular

SHAPE = (3, 32, 32)
CLASSES = 10


class SvhnSplit(Enum):
    """Split of the data; the value is the name of its file."""

    train = "train_32x32.mat"
    test = "test_32x32.mat"
    extra = "extra_32x32.mat"


@dataclass(frozen=True)
class Svhn(PublishedImages):
    """630,420 photographs of digits of house numbers, 32x32 RGB (Netzer et al. 2011), in three MATLAB files.

    Used if present: ``<root>/svhn/train_32x32.mat``, ``test_32x32.mat`` and ``extra_32x32.mat``; they are looked for in
    the root itself as well, where torchvision puts them.

    Args:
        split: 73,257 digits to train on, 26,032 to test with, or 531,131 easier ones, which take 3.3 GB of memory.
    """

    split: SvhnSplit = SvhnSplit.train

    licence: ClassVar[str] = "SVHN (Netzer et al.): for non-commercial use only, as its publisher asks."
    title: ClassVar[str] = "SVHN"
    folders: ClassVar[Sequence[str]] = ("svhn", "", "SVHN")
    counts: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"train_32x32.mat": 73_257, "test_32x32.mat": 26_032, "extra_32x32.mat": 531_131}
    )
    # Sizes, and SHA-256 as torchvision and others list them; the publisher gives no checksums.
    published: ClassVar[Mapping[str, PublishedFile]] = MappingProxyType(
        {
            "train_32x32.mat": PublishedFile(
                182_040_794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"
            ),
            "test_32x32.mat": PublishedFile(
                64_275_384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"
            ),
            "extra_32x32.mat": PublishedFile(
                1_329_278_602, "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3"
            ),
        }
    )

    @property
    def shape(self) -> tuple[int, ...]:
        return SHAPE

    @property
    def num_bytes(self) -> int:
        """Memory of the images, and of a copy while they are loaded."""
        return 2 * self.counts[self.split.value] * int(np.prod(SHAPE))

    @property
    def classes(self) -> int:
        return CLASSES

    def load(self) -> Images:
        """Load pixels ``(N, 3, 32, 32)`` and the digits as labels, 0 to 9; the files number them 1 to 10.

        Raises:
            DataError: the file is present but wrong, is absent and cannot be downloaded, or takes too much memory.
        """
        count = self.counts[self.split.value]
        require_memory(self.num_bytes, f"{count:,} images", "dataset.split=train has fewer")
        path = self._find_file() or self._download()
        variables = _read_mat(path)
        images, labels = variables.get("X"), variables.get("y")
        if not (_is_array(images, np.uint8, (*SHAPE[1:], SHAPE[0], count)) and _is_array(labels, np.uint8, (count, 1))):
            raise DataError(f"{path}: expected arrays of bytes X (32, 32, 3, {count}) and y ({count}, 1)")
        assert images is not None
        assert labels is not None
        if not 1 <= labels.min() <= labels.max() <= CLASSES:
            raise DataError(f"{path}: labels from {labels.min()} to {labels.max()}; expected 1 to {CLASSES}")
        pixels = np.ascontiguousarray(images.transpose(3, 2, 0, 1))
        return Images(pixels, labels[:, 0].astype(np.int64) % CLASSES)

    def _find_file(self) -> Path | None:
        """Return the file if it is there; raises ``DataError`` if it is not the published one."""
        path = next(filter(is_present, (place / self.split.value for place in self.places)), None)
        if path is not None:
            with checking_present_file(self.title):
                self.published[self.split.value].check(path)
        return path

    def _download(self) -> Path:
        name = self.split.value
        expected = self.published[name]
        try:
            return download(name, self.mirrors, self.place, expected.check, expected.size)
        except DataError as error:
            raise missing_files_error(error, name, self.place) from error


def _is_array(value: Any, dtype: type, shape: tuple[int, ...]) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == dtype and value.shape == shape


def _read_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a MATLAB file; only of one whose checksum is known, as its parser has no limits."""
    from scipy.io import loadmat  # slow to import

    try:
        with open_regular(path) as file:
            variables: dict[str, Any] = loadmat(file, variable_names=["X", "y"])
    except Exception as error:  # of nearly any kind, on other files than MATLAB's
        raise DataError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return variables
