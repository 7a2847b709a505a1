"""The backbone ``inception``: the Inception v3 of the Frechet Inception distance, by the package torch-fidelity.

Its weights are those of TensorFlow's ``inception-2015-12-05``, which published results use; its first layer resizes
bytes of any size to 299 x 299 as TensorFlow 1 did, without a filter (Heusel et al. 2017; Parmar et al. 2022 on the
effect of resizing on the metric).
"""

from __future__ import annotations

import hashlib
import importlib
import io
import logging
import pickle
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from gan_cli.config.extras import EXTRAS, require_extra
from gan_cli.data.cache import sha256
from gan_cli.data.download import download
from gan_cli.errors import ConfigError, DataError
from gan_cli.evaluation.backbones.base import BackboneOutput, Samples, to_bytes
from gan_cli.storage.reading import MIB, read_bytes

logger = logging.getLogger(__name__)

FILE = "weights-inception-2015-12-05-6726825d.pth"
MIRRORS = ("https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/",)
# SHA-256 of the published file: its name has the first digits, and several independent users publish the rest.
CHECKSUM = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FEATURES = "2048"
# Inception's weights have 96 MB.
MAX_WEIGHTS_BYTES = 512 * MIB
BLOCK = 64

# Bytes (N, 3, H, W) -> a tuple of one tensor (N, 2048); a feature extractor of torch-fidelity.
Extractor = Callable[[Tensor], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Inception:
    """Features of the last pooling layer of Inception v3.

    Attributes:
        extractor: the network of torch-fidelity, on ``device``.
        checksum: SHA-256 of the file of weights.
        device: where to compute.
    """

    extractor: Extractor
    checksum: str
    device: torch.device

    name: ClassVar[str] = "inception"
    cacheable: ClassVar[bool] = True

    @property
    def facts(self) -> Mapping[str, Any]:
        """Resizing, values, and whether the weights are those of published results."""
        return {
            "resizing": "bilinear to 299x299 as in TensorFlow 1, without a filter (torch-fidelity)",
            "values": "bytes; grey images as three equal channels",
            "weights": "inception-2015-12-05" if self.checksum == CHECKSUM else "not the published ones",
        }

    @torch.no_grad()
    def extract(self, samples: Samples) -> BackboneOutput:
        """Map images ``(N, 1, H, W)`` or ``(N, 3, H, W)`` as bytes to features ``(N, 2048)``."""
        found = []
        for start in range(0, len(samples), BLOCK):
            block = to_bytes(samples[start : start + BLOCK])
            images = torch.from_numpy(np.ascontiguousarray(block)).to(self.device)
            (features,) = self.extractor(images.expand(-1, 3, -1, -1).contiguous())
            found.append(features.float().cpu())
        return BackboneOutput(torch.cat(found).numpy())


def load_inception(
    weights: Path | None, root: Path, device: torch.device, mirrors: tuple[str, ...] = MIRRORS
) -> Inception:
    """Load the backbone with weights from a file, or with the published ones.

    Args:
        weights: a file of the user's; None: the published file in ``<root>/inception/``, downloaded if absent.
        root: the data root.
        device: where to compute.
        mirrors: addresses of folders with the published file.

    Raises:
        ConfigError: torch-fidelity is not installed or fails, or the file of weights does not fit.
        DataError: the weights cannot be read or downloaded.
    """
    require_extra("backbone inception", "fid")
    path = weights or _find_or_download(root, mirrors)
    checksum = _verify_weights(path)
    try:
        module = importlib.import_module("torch_fidelity.feature_extractor_inceptionv3")
    except ImportError as error:
        raise ConfigError(f"backbone inception: torch-fidelity fails ({error}): {EXTRAS['fid'].install}") from error
    try:
        extractor = module.FeatureExtractorInceptionV3("inception-v3-compat", [FEATURES], str(path))
    except (RuntimeError, pickle.UnpicklingError, TypeError, AttributeError) as error:
        # torch lists every weight that is missing, one a line.
        raise ConfigError(
            f"--weights: {path} does not fit Inception v3: {' '.join(str(error).split())[:200]}"
        ) from error
    logger.info("inception: weights %s, SHA-256 %s", path, checksum[:12])
    return Inception(extractor.eval().to(device), checksum, device)


def _find_or_download(root: Path, mirrors: tuple[str, ...]) -> Path:
    folder = root / "inception"
    path = folder / FILE
    if path.is_file():
        return path
    try:
        return download(FILE, mirrors, folder, _check, MAX_WEIGHTS_BYTES)
    except DataError as error:
        raise DataError(
            f"{error} Put {FILE} into {folder}, or name a file with --weights FILE; it is published at {MIRRORS[0]}"
        ) from error


def _check(path: Path) -> None:
    found = sha256(path)
    if found != CHECKSUM:
        raise DataError(f"{path}: SHA-256 {found}, expected {CHECKSUM}")


def _verify_weights(path: Path) -> str:
    """Check that a file holds tensors alone, and return its checksum.

    torch-fidelity opens the file itself, and not every release does so safely: no code in it may be executed.
    """
    try:
        content = read_bytes(path, MAX_WEIGHTS_BYTES)
    except OSError as error:
        raise DataError(f"--weights: {path} cannot be read ({error.strerror or error})") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of damaged bytes before it refuses them
            torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(f"--weights: {path} is no file of weights alone: {reason}") from error
    return hashlib.sha256(content).hexdigest()
