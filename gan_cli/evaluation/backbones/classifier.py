"""The backbone ``classifier``: trained once for each labelled dataset, then loaded from the data root."""

from __future__ import annotations

import io
import logging
import pickle
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from gan_cli.data.cache import DamagedError, Store
from gan_cli.data.fingerprint import fingerprint
from gan_cli.data.splits import split_rows
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones import classifier_network
from gan_cli.evaluation.backbones.base import BackboneOutput, Samples
from gan_cli.evaluation.backbones.classifier_network import Classifier, ClassifierSettings
from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)

# Version of the cached file: raise it when the network or its training changes.
FORMAT = 1
# Share of the data that the accuracy is measured on where there is no test split.
TEST_SHARE = 0.2
MIN_IMAGES = 20


@dataclass(frozen=True)
class ClassifierBackbone:
    """Features of the penultimate layer, and predictions, of a classifier.

    Attributes:
        classifier: the network, in evaluation mode.
        checksum: SHA-256 of its weights.
        facts: resizing, accuracy and what that was measured on.
        path: the file it is stored in.
    """

    classifier: Classifier
    checksum: str
    facts: Mapping[str, Any]
    path: Path

    name: ClassVar[str] = "classifier"
    cacheable: ClassVar[bool] = True

    def extract(self, samples: Samples) -> BackboneOutput:
        """Map images ``(N, C, H, W)`` to features ``(N, 128)`` and classes ``(N,)``."""
        features, classes = classifier_network.features_and_classes(self.classifier, _bytes(samples))
        return BackboneOutput(features.numpy(), classes.numpy())


@dataclass(frozen=True)
class ChannelwiseBackbone:
    """Backbone that applies a classifier of grey images to each channel of an image, for Stacked MNIST.

    Attributes:
        inner: the backbone of a single channel.
        margin: padding of each channel in pixels, cropped before the classifier.
    """

    inner: ClassifierBackbone
    margin: int

    name: ClassVar[str] = "classifier"
    cacheable: ClassVar[bool] = True

    @property
    def checksum(self) -> str:
        return self.inner.checksum

    @property
    def facts(self) -> Mapping[str, Any]:
        """Provenance of the classifier, and how it is applied."""
        return {**self.inner.facts, "applied": "to each channel"}

    def extract(self, samples: Samples) -> BackboneOutput:
        """Map images ``(N, C, H, W)`` to features ``(N, 128 C)`` and classes ``(N, C)``."""
        count, channels, height, width = samples.shape
        inside = samples[:, :, self.margin : height - self.margin, self.margin : width - self.margin]
        single = inside.reshape(count * channels, 1, *inside.shape[2:])
        output = self.inner.extract(single)
        assert output.predicted is not None
        features: FloatArray = output.features.reshape(count, -1)
        return BackboneOutput(features, output.predicted.reshape(count, channels))


def load_or_train_classifier(
    name: str,
    data: Images,
    test: Images | None,
    store: Store,
    settings: ClassifierSettings | None = None,
    device: torch.device | None = None,
) -> ClassifierBackbone:
    """Load the classifier of a dataset from the store, or train it now and store it.

    Several processes may do so at once: each trains, and those that finish later use the first one stored.

    Args:
        name: name of the dataset, for that of the file.
        data: images with labels to train on.
        test: images with labels to measure the accuracy on; None: a fifth of ``data``, which is not trained on then.
        store: cache of classifiers.
        settings: training settings; None: the defaults of ``ClassifierSettings``.
        device: device to compute on; None: the CPU.

    Raises:
        ConfigError: the data have no labels, or too few samples.
        OutputError: it cannot be stored anywhere.
    """
    if data.labels is None:
        raise ConfigError("backbone classifier: these data have no labels to train one with; use the backbone pixels")
    if len(data.pixels) < MIN_IMAGES:
        raise ConfigError(f"backbone classifier: expected {MIN_IMAGES} labelled images or more, got {len(data.pixels)}")
    settings, device = settings or ClassifierSettings(), device or torch.device("cpu")
    data_fingerprint = fingerprint(data)
    file = f"classifiers/{name}-{data_fingerprint[:12]}.pt"
    identity = {"format": FORMAT, "data": data_fingerprint, "recipe": asdict(settings)}
    backbone, problems = _find_cached(store, file, identity, device)
    for problem in problems:
        logger.warning("%s: it is trained again", problem)
    if backbone is None:
        content = _train_and_serialize(name, data, test, settings, identity, device)
        # Another process may have been first; then cached features belong to its weights.
        backbone, _ = _find_cached(store, file, identity, device)
        backbone = backbone or _read(store.write(file, content), content, identity, device)
    facts = backbone.facts
    logger.info(
        "classifier of %s: accuracy %.4f on %s, SHA-256 %s, %s",
        name,
        facts["accuracy"],
        facts["measured_on"],
        backbone.checksum[:12],
        backbone.path,
    )
    return backbone


def _train_and_serialize(
    name: str,
    data: Images,
    test: Images | None,
    settings: ClassifierSettings,
    identity: Mapping[str, Any],
    device: torch.device,
) -> bytes:
    """Train a classifier, measure its accuracy, and return both as the content of a file."""
    assert data.labels is not None
    classes = int(data.labels.max()) + 1
    training, tested, origin = _train_test_parts(data, test)
    logger.info("classifier of %s: trained once, on %d images", name, len(training[1]))
    started = time.perf_counter()
    trained = classifier_network.train(*training, classes, settings, device)
    seconds = time.perf_counter() - started
    accuracy = classifier_network.accuracy(trained, *tested)
    logger.info("classifier of %s: trained in %.0f s", name, seconds)
    weights = {key: value.cpu() for key, value in trained.state_dict().items()}
    file = io.BytesIO()
    torch.save(
        {
            **identity,
            "shape": list(data.pixels.shape[1:]),
            "classes": classes,
            "accuracy": accuracy,
            "measured_on": f"{len(tested[1])} {origin}",
            "seconds": round(seconds, 1),
            "checksum": classifier_network.checksum(weights),
            "weights": weights,
        },
        file,
    )
    return file.getvalue()


def _train_test_parts(
    data: Images, test: Images | None
) -> tuple[tuple[ByteArray, IntArray], tuple[ByteArray, IntArray], str]:
    """Return the data to train on, the data to test on, and the origin of the latter in words."""
    assert data.labels is not None
    if test is not None and test.labels is not None:
        return (data.pixels, data.labels), (test.pixels, test.labels), "test images"
    training, tested = split_rows(len(data.labels), TEST_SHARE, minimum=1)
    first, second = ((data.pixels[rows], data.labels[rows]) for rows in (training, tested))
    return first, second, "images held out of its training"


def _find_cached(
    store: Store, file: str, identity: Mapping[str, Any], device: torch.device
) -> tuple[ClassifierBackbone | None, list[str]]:
    """Return the first intact classifier of that name and identity, or None, and the problems of those before it."""
    problems: list[str] = []
    for path in store.find(file):
        try:
            return _read(path, path.read_bytes(), identity, device), problems
        except (DamagedError, OSError) as error:
            problems.append(f"classifier {path} is of no use ({error})")
    return None, problems


def _read(path: Path, content: bytes, identity: Mapping[str, Any], device: torch.device) -> ClassifierBackbone:
    """Load a classifier from the content of its file; no code in it is executed.

    Raises:
        DamagedError: the content has changed, or is of another format or of other data.
    """
    try:
        stored = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        other = [key for key, value in identity.items() if stored[key] != value]
        if other:
            raise DamagedError(f"it is one of another {' and '.join(other)}")
        built = Classifier(tuple(stored["shape"]), int(stored["classes"]))
        built.load_state_dict(stored["weights"])
        facts = {
            "resizing": _resizing(built, stored["shape"]),
            "accuracy": float(stored["accuracy"]),
            "measured_on": str(stored["measured_on"]),
            "file": path.name,
        }
        checksum = str(stored["checksum"])
    except (pickle.UnpicklingError, RuntimeError, KeyError, ValueError, TypeError, EOFError, AttributeError) as error:
        raise DamagedError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    if classifier_network.checksum(built.state_dict()) != checksum:
        raise DamagedError("its weights have another checksum than they should")
    return ClassifierBackbone(built.eval().requires_grad_(False).to(device), checksum, facts, path)


def _resizing(built: Classifier, shape: list[int]) -> str:
    sides = "x".join(map(str, built.sides))
    return "none" if tuple(shape[1:]) == built.sides else f"averaged to {sides}"


def _bytes(samples: Samples) -> ByteArray:
    assert samples.dtype == np.uint8, "classifiers look at images"
    return samples  # type: ignore[return-value]
