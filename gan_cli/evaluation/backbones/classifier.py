"""The backbone ``classifier``: trained once for each labelled dataset, then read back from the data root."""

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
from gan_cli.evaluation.backbones.base import BackboneOutput, MetricTags, Samples
from gan_cli.evaluation.backbones.classifier_network import Classifier, ClassifierSettings
from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray
from gan_cli.protocols.data import Images

logger = logging.getLogger(__name__)

# Part of what a kept classifier must say of itself: raise it when the network or its training changes.
FORMAT = 1
# Of data without a test split, the share that the accuracy is measured on.
TEST_SHARE = 0.2
MIN_IMAGES = 20


@dataclass(frozen=True)
class ClassifierBackbone:
    """Penultimate layer and predictions of a classifier.

    Attributes:
        classifier: in evaluation mode.
        checksum: SHA-256 of its weights.
        facts: resizing, accuracy and what that was measured on.
        path: the file it is kept in.
    """

    classifier: Classifier
    checksum: str
    facts: Mapping[str, Any]
    path: Path

    name: ClassVar[str] = "classifier"
    tags: ClassVar[MetricTags] = MetricTags.for_backbone("classifier")
    cacheable: ClassVar[bool] = True

    def extract(self, samples: Samples) -> BackboneOutput:
        """Images ``(N, C, H, W)`` -> features ``(N, 128)`` and classes ``(N,)``."""
        features, classes = classifier_network.features_and_classes(self.classifier, _bytes(samples))
        return BackboneOutput(features.numpy(), classes.numpy())


@dataclass(frozen=True)
class ChannelwiseBackbone:
    """A classifier of grey images that looks at each channel of an image by itself, for Stacked MNIST.

    Attributes:
        inner: of the single channel.
        margin: pixels around each channel that the classifier never saw.
    """

    inner: ClassifierBackbone
    margin: int

    name: ClassVar[str] = "classifier"
    tags: ClassVar[MetricTags] = MetricTags.for_backbone("classifier")
    cacheable: ClassVar[bool] = True

    @property
    def checksum(self) -> str:
        """That of the classifier."""
        return self.inner.checksum

    @property
    def facts(self) -> Mapping[str, Any]:
        """Those of the classifier, and how it is used."""
        return {**self.inner.facts, "applied": "to each channel"}

    def extract(self, samples: Samples) -> BackboneOutput:
        """Images ``(N, C, H, W)`` -> features ``(N, 128 C)`` and classes ``(N, C)``."""
        count, channels, height, width = samples.shape
        inside = samples[:, :, self.margin : height - self.margin, self.margin : width - self.margin]
        single = inside.reshape(count * channels, 1, *inside.shape[2:])
        seen = self.inner.extract(single)
        assert seen.predicted is not None
        features: FloatArray = seen.features.reshape(count, -1)
        return BackboneOutput(features, seen.predicted.reshape(count, channels))


def load_or_train_classifier(
    name: str,
    data: Images,
    test: Images | None,
    store: Store,
    settings: ClassifierSettings | None = None,
    device: torch.device | None = None,
) -> ClassifierBackbone:
    """The classifier of a dataset, from the store, or trained now and put there.

    Several processes may ask for one at once: each trains, and what was there first is used by those that end later.

    Args:
        name: of the dataset, for the name of the file.
        data: images with labels to train on.
        test: images with labels to measure the accuracy on; None: a fifth of ``data``, which is not trained on then.
        store: where classifiers are kept.
        recipe: how to train; None: as the defaults of ``network.ClassifierSettings`` say.
        device: where to compute; None: on the CPU.

    Raises:
        ConfigError: the data have no labels, or too few samples.
        OutputError: it cannot be kept anywhere.
    """
    if data.labels is None:
        raise ConfigError("backbone classifier: these data have no labels to train one with; use the backbone pixels")
    if len(data.pixels) < MIN_IMAGES:
        raise ConfigError(f"backbone classifier: expected {MIN_IMAGES} labelled images or more, got {len(data.pixels)}")
    settings, device = settings or ClassifierSettings(), device or torch.device("cpu")
    print_of_data = fingerprint(data)
    file = f"classifiers/{name}-{print_of_data[:12]}.pt"
    identity = {"format": FORMAT, "data": print_of_data, "recipe": asdict(settings)}
    kept, useless = _find_cached(store, file, identity, device)
    for line in useless:
        logger.warning("%s: it is trained again", line)
    if kept is None:
        content = _train_and_serialize(name, data, test, settings, identity, device)
        # Another process may have been first; then its weights are those that cached features belong to.
        kept, _ = _find_cached(store, file, identity, device)
        kept = kept or _read(store.write(file, content), content, identity, device)
    facts = kept.facts
    logger.info(
        "classifier of %s: accuracy %.4f on %s, SHA-256 %s, %s",
        name,
        facts["accuracy"],
        facts["measured_on"],
        kept.checksum[:12],
        kept.path,
    )
    return kept


def _train_and_serialize(
    name: str, data: Images, test: Images | None, settings: ClassifierSettings, identity: Mapping[str, Any], device: torch.device
) -> bytes:
    """Train, measure, and give all of it as the content of a file."""
    assert data.labels is not None
    classes = int(data.labels.max()) + 1
    training, tested, what = _train_test_parts(data, test)
    logger.info("classifier of %s: trained once, on %d images", name, len(training[1]))
    started = time.perf_counter()
    trained = classifier_network.train(*training, classes, settings, device)
    seconds = time.perf_counter() - started
    measured = classifier_network.accuracy(trained, *tested)
    logger.info("classifier of %s: trained in %.0f s", name, seconds)
    weights = {key: value.cpu() for key, value in trained.state_dict().items()}
    file = io.BytesIO()
    torch.save(
        {
            **identity,
            "shape": list(data.pixels.shape[1:]),
            "classes": classes,
            "accuracy": measured,
            "measured_on": f"{len(tested[1])} {what}",
            "seconds": round(seconds, 1),
            "checksum": classifier_network.checksum(weights),
            "weights": weights,
        },
        file,
    )
    return file.getvalue()


def _train_test_parts(data: Images, test: Images | None) -> tuple[tuple[ByteArray, IntArray], tuple[ByteArray, IntArray], str]:
    """What to train on, what to measure on, and the latter in words."""
    assert data.labels is not None
    if test is not None and test.labels is not None:
        return (data.pixels, data.labels), (test.pixels, test.labels), "test images"
    training, tested = split_rows(len(data.labels), TEST_SHARE, minimum=1)
    first, second = ((data.pixels[rows], data.labels[rows]) for rows in (training, tested))
    return first, second, "images held out of its training"


def _find_cached(
    store: Store, file: str, identity: Mapping[str, Any], device: torch.device
) -> tuple[ClassifierBackbone | None, list[str]]:
    """The first whole classifier of that name and identity, if there is one, and what is wrong with those before it."""
    useless: list[str] = []
    for path in store.find(file):
        try:
            return _read(path, path.read_bytes(), identity, device), useless
        except (DamagedError, OSError) as error:
            useless.append(f"classifier {path} is of no use ({error})")
    return None, useless


def _read(path: Path, content: bytes, identity: Mapping[str, Any], device: torch.device) -> ClassifierBackbone:
    """A classifier from the content of its file; nothing in it is executed.

    Raises:
        DamagedError: it is not what was written, or is of another format or of other data.
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
