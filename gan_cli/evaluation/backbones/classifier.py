"""The backbone ``classifier``: trained once for each labelled dataset, then loaded from the data root."""

from __future__ import annotations

import io
import logging
import time
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from gan_cli.config.extras import EXTRAS
from gan_cli.data.cache import DamagedError, Store
from gan_cli.data.fingerprint import fingerprint
from gan_cli.data.splits import split_rows
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones import classifier_network
from gan_cli.evaluation.backbones.base import BackboneOutput, Samples, stored_samples, to_bytes
from gan_cli.evaluation.backbones.chance import CAUTION, chance_facts
from gan_cli.evaluation.backbones.classifier_network import Classifier, ClassifierSettings
from gan_cli.protocols.arrays import ByteArray, FloatArray, IntArray
from gan_cli.protocols.data import Images
from gan_cli.storage.reading import MIB, read_bytes
from gan_cli.telemetry.quantities import format_duration

logger = logging.getLogger(__name__)

# Version of the cached file: raise it when the network or its training changes.
FORMAT = 1
# Share of the data that the accuracy is measured on where there is no test split.
TEST_SHARE = 0.2
MIN_IMAGES = 20
ESTIMATE_AFTER = 5.0  # seconds
# A file of 100,000 classes has 60 MB.
MAX_BYTES = 256 * MIB
MAX_TEXT = 200


@dataclass(frozen=True)
class ClassifierBackbone:
    """Features of the penultimate layer, and predictions, of a classifier.

    Attributes:
        classifier: the network, in evaluation mode.
        checksum: SHA-256 of its weights.
        facts: resizing, accuracy, what that was measured on, and the accuracy of chance.
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
        features, classes = classifier_network.features_and_classes(self.classifier, to_bytes(samples))
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
    """Load the classifier of a dataset from the store, or train it now and store it, with a warning where that fails.

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
    """
    if data.labels is None:
        raise ConfigError("backbone classifier: these data have no labels to train one with; use the backbone pixels")
    if len(data.array) < MIN_IMAGES:
        raise ConfigError(f"backbone classifier: expected {MIN_IMAGES} labelled images or more, got {len(data.array)}")
    settings, device = settings or ClassifierSettings(), device or torch.device("cpu")
    data_fingerprint = fingerprint(data)
    file = f"classifiers/{name}-{data_fingerprint[:12]}.pt"
    identity = {
        "format": FORMAT,
        "data": data_fingerprint,
        "recipe": asdict(settings),
        "shape": list(data.array.shape[1:]),
        "classes": int(data.labels.max()) + 1,
    }
    backbone, problems = _find_cached(store, file, identity, device)
    for problem in problems:
        logger.warning("%s: it is trained again", problem)
    if backbone is None:
        content = _train_and_serialize(name, data, test, settings, identity, device)
        # Another process may have been first; then cached features belong to its weights.
        backbone, _ = _find_cached(store, file, identity, device)
        backbone = backbone or _read(store.write_if_possible(file, content), content, identity, device)
    facts = {**backbone.facts, **chance_facts(backbone.facts["accuracy"], _tested_labels(data, test))}
    logger.info(
        "classifier of %s: accuracy %.4f on %s, SHA-256 %s, %s",
        name,
        facts["accuracy"],
        facts["measured_on"],
        backbone.checksum[:12],
        backbone.path,
    )
    if CAUTION in facts:
        logger.warning(
            "classifier of %s: %s (accuracy %.3f on %s, chance %.3f): metrics of the backbone classifier say little of"
            " these data; the backbone inception measures FID without it (%s)",
            *(name, facts[CAUTION], facts["accuracy"], facts["measured_on"], facts["chance"], EXTRAS["fid"].install),
        )
    return replace(backbone, facts=facts)


def _tested_labels(data: Images, test: Images | None) -> IntArray:
    """Return the labels of the images that the accuracy is measured on."""
    assert data.labels is not None
    if test is not None and test.labels is not None:
        return test.labels
    return data.labels[split_rows(len(data.labels), TEST_SHARE, minimum=1)[1]]


def _train_and_serialize(
    name: str,
    data: Images,
    test: Images | None,
    settings: ClassifierSettings,
    identity: Mapping[str, Any],
    device: torch.device,
) -> bytes:
    """Train a classifier, measure its accuracy, and return both as the content of a file."""
    training, tested, origin = _train_test_parts(data, test)
    logger.info("classifier of %s: trained once, on %s images", name, f"{len(training[1]):,}")
    started = time.perf_counter()
    estimate = _TimeLeft(name)
    trained = classifier_network.train(*training, identity["classes"], settings, device, estimate)
    seconds = time.perf_counter() - started
    accuracy = classifier_network.accuracy(trained, *tested)
    logger.info("classifier of %s: trained in %.0f s", name, seconds)
    weights = {key: value.cpu() for key, value in trained.state_dict().items()}
    if not _finite(weights):
        raise ConfigError(
            f"backbone classifier: {name} cannot be learned, weights are not finite; use the backbone pixels"
        )
    file = io.BytesIO()
    torch.save(
        {
            **identity,
            "accuracy": accuracy,
            "measured_on": f"{len(tested[1])} {origin}",
            "seconds": round(seconds, 1),
            "checksum": classifier_network.checksum(weights),
            "weights": weights,
        },
        file,
    )
    return file.getvalue()


class _TimeLeft:
    """Logs once, some seconds after training has begun, how long it will take, unless it is nearly done."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._started = time.perf_counter()
        self._logged = False

    def __call__(self, step: int, steps: int) -> None:
        seconds = time.perf_counter() - self._started
        if self._logged or seconds < ESTIMATE_AFTER:
            return
        self._logged = True
        left = seconds / step * (steps - step)
        if left > ESTIMATE_AFTER:
            logger.info("classifier of %s: about %s left", self._name, format_duration(left))


def _train_test_parts(
    data: Images, test: Images | None
) -> tuple[tuple[ByteArray, IntArray], tuple[ByteArray, IntArray], str]:
    """Return the data to train on, the data to test on, and the origin of the latter in words."""
    assert data.labels is not None
    if test is not None and test.labels is not None:
        return (_bytes_of(data), data.labels), (_bytes_of(test), test.labels), "test images"
    training, tested = split_rows(len(data.labels), TEST_SHARE, minimum=1)
    first, second = ((_bytes_of(data, rows), data.labels[rows]) for rows in (training, tested))
    return first, second, "images held out of its training"


def _bytes_of(data: Images, rows: IntArray | None = None) -> ByteArray:
    return to_bytes(stored_samples(data, slice(None) if rows is None else rows))


def _find_cached(
    store: Store, file: str, identity: Mapping[str, Any], device: torch.device
) -> tuple[ClassifierBackbone | None, list[str]]:
    """Return the first intact classifier of that name and identity, or None, and the problems of those before it."""
    problems: list[str] = []
    for path in store.find(file):
        try:
            return _read(path, read_bytes(path, MAX_BYTES), identity, device), problems
        except (DamagedError, OSError) as error:
            reason = error.strerror or error if isinstance(error, OSError) else error
            problems.append(f"classifier {path} is of no use ({reason})")
    return None, problems


def _read(path: Path, content: bytes, identity: Mapping[str, Any], device: torch.device) -> ClassifierBackbone:
    """Load a classifier from the content of its file; no code in it is executed.

    Raises:
        DamagedError: the content has changed, or is of another format or of other data.
    """
    stored = _unpickled(content)
    try:
        other = [key for key, value in identity.items() if stored[key] != value]
        if other:
            raise DamagedError(f"it is one of another {' and '.join(other)}")
        built = Classifier(tuple(identity["shape"]), identity["classes"])
        built.load_state_dict(stored["weights"])
        accuracy, checksum, measured_on = float(stored["accuracy"]), str(stored["checksum"]), str(stored["measured_on"])
    except (RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        raise DamagedError(_first_line(error)) from error
    if not 0 <= accuracy <= 1 or len(measured_on) > MAX_TEXT:
        raise DamagedError("its accuracy is no share of images")
    weights = built.state_dict()
    if classifier_network.checksum(weights) != checksum:
        raise DamagedError("its weights have another checksum than they should")
    if not _finite(weights):
        raise DamagedError("its weights are not finite")
    facts = {
        "resizing": _resizing(built, identity["shape"]),
        "accuracy": accuracy,
        "measured_on": measured_on,
        "file": path.name,
    }
    return ClassifierBackbone(built.eval().requires_grad_(False).to(device), checksum, facts, path)


def _unpickled(content: bytes) -> Any:
    """Load plain values and tensors, which take no more memory than the content has bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # torch does not compress; compressed or overlapping members could fill the memory.
            if sum(member.file_size for member in archive.infolist()) > len(content):
                raise DamagedError("its members are longer than the file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of damaged bytes before it refuses them
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except DamagedError:
        raise
    except Exception as error:  # damaged bytes can raise anything
        raise DamagedError(_first_line(error)) from error


def _finite(weights: Mapping[str, Tensor]) -> bool:
    return all(bool(torch.isfinite(weight).all()) for weight in weights.values())


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _resizing(built: Classifier, shape: list[int]) -> str:
    sides = "x".join(map(str, built.sides))
    return "none" if tuple(shape[1:]) == built.sides else f"averaged to {sides}"
