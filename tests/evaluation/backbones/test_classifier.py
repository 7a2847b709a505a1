"""The backbone classifier: what it learns, that it is trained once and read back, and where it is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_cli.data.cache import Store
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.mnist import Mnist, MnistSplit
from gan_cli.errors import ConfigError
from gan_cli.evaluation.backbones import classifier, classifier_network
from gan_cli.evaluation.backbones.classifier import ChannelwiseBackbone, ClassifierBackbone, load_or_train_classifier
from gan_cli.evaluation.backbones.classifier_network import ClassifierSettings
from gan_cli.protocols.data import Images
from tests.conftest import log_messages
from tests.helpers.classifiers import SHORT, coloured

RANDOM = np.random.default_rng(0)


def test_training_is_a_function_of_the_seed_and_leaves_the_global_stream_alone() -> None:
    data = coloured()
    assert data.labels is not None
    before = torch.get_rng_state()
    first, again, other = (
        classifier_network.checksum(
            classifier_network.train(data.array, data.labels, 3, ClassifierSettings(seed, 16, 1, 5, 5)).state_dict()
        )
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other
    assert torch.equal(before, torch.get_rng_state())


def test_checksum_detects_any_change() -> None:
    weights = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    seen = {classifier_network.checksum(weights)}
    seen.add(classifier_network.checksum({**weights, "b": torch.full((1,), 1.0000001)}))
    seen.add(classifier_network.checksum({"a": torch.zeros(3, 2), "b": torch.ones(1)}))
    seen.add(classifier_network.checksum({"a": torch.zeros(2, 3), "c": torch.ones(1)}))
    assert len(seen) == 4


@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 9, 9), (1, 28, 28), (3, 64, 64)])
def test_classifier_fits_images_of_any_size(shape: tuple[int, ...], store: Store) -> None:
    data = coloured(30, shape)
    made = load_or_train_classifier("any", data, None, store, SHORT)
    seen = made.extract(data.array)
    assert seen.features.shape == (30, classifier_network.WIDTH)
    assert seen.predicted is not None
    assert set(seen.predicted) <= {0, 1, 2}
    assert made.facts["resizing"] == ("averaged to 32x32" if shape[1] == 64 else "none")


def test_features_do_not_depend_on_how_many_images_there_are(store: Store) -> None:
    data = coloured(classifier_network.BLOCK + 7)
    made = load_or_train_classifier("many", data, None, store, SHORT)
    together = made.extract(data.array)
    alone = made.extract(data.array[-7:])
    assert np.allclose(together.features[-7:], alone.features, atol=1e-5)


def test_classifier_learns_digits(digits_root: Path) -> None:
    made = load_or_train_classifier("digits", Digits().load(), None, Store(digits_root))
    assert made.facts["accuracy"] > 0.97
    assert made.facts["measured_on"] == "359 images held out of its training"


@pytest.mark.parametrize(("after", "times"), [(0.0, 1), (1e9, 0)])
def test_training_that_takes_long_says_how_long(
    after: float, times: int, store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(classifier, "ESTIMATE_AFTER", after)
    with caplog.at_level("INFO"):
        load_or_train_classifier("any", coloured(30), None, store, SHORT)
    assert sum("classifier of any: about" in message for message in log_messages(caplog)) == times


def test_accuracy_is_that_of_the_test_images(store: Store) -> None:
    data = coloured(90)
    test = Images(data.array[:40], (np.arange(40) + 1) % 3)  # all labels wrong
    made = load_or_train_classifier("wrong", data, test, store, ClassifierSettings(batch_size=16, fewest=60, most=60))
    assert made.facts["accuracy"] == pytest.approx(0, abs=0.1)
    assert made.facts["measured_on"] == "40 test images"


def never(*arguments: Any) -> Any:
    raise AssertionError("trained")


def test_kept_classifier_is_read_back(
    store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = coloured()
    with caplog.at_level("INFO", "gan_cli"):
        first = load_or_train_classifier("kept", data, None, store, SHORT)
    assert any(
        "accuracy" in line and first.checksum[:12] in line and str(first.path) in line for line in log_messages(caplog)
    )
    monkeypatch.setattr(classifier_network, "train", never)
    again = load_or_train_classifier("kept", data, None, store, SHORT)
    assert again.checksum == first.checksum
    assert again.facts == first.facts
    assert np.array_equal(again.extract(data.array).features, first.extract(data.array).features)
    with pytest.raises(AssertionError, match="trained"):
        load_or_train_classifier("kept", coloured(), None, store, SHORT)  # other noise: other data
    with pytest.raises(AssertionError, match="trained"):
        load_or_train_classifier(
            "kept", data, None, store, ClassifierSettings(seed=1, batch_size=16, fewest=12, most=12)
        )


def test_classifier_of_another_process_is_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both trained; the one that ends later takes what is there, so that both call the same features theirs."""
    data, train, met = coloured(), classifier_network.train, []

    def slowly(*arguments: Any) -> Any:
        if not met:
            met.append(None)
            met.append(load_or_train_classifier("kept", data, None, store, SHORT))  # the other process, meanwhile
        return train(data.array, data.labels, 3, ClassifierSettings(seed=5, batch_size=16, fewest=2, most=2))

    monkeypatch.setattr(classifier_network, "train", slowly)
    later = load_or_train_classifier("kept", data, None, store, SHORT)
    assert later.checksum == met[1].checksum


def test_root_that_cannot_be_written(
    tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root").write_text("a file")
    with caplog.at_level("WARNING", "gan_cli"):
        made = load_or_train_classifier("kept", coloured(), None, store, SHORT)
    assert made.path.is_relative_to(tmp_path / "home/.cache/gan_cli")
    (line,) = log_messages(caplog)
    assert str(tmp_path / "root") in line
    assert "cannot be written" in line
    (tmp_path / "no_home").write_text("a file")
    monkeypatch.setenv("HOME", str(tmp_path / "no_home"))
    caplog.clear()
    with caplog.at_level("WARNING", "gan_cli"):
        unkept = load_or_train_classifier("kept", coloured(), None, Store(tmp_path / "root"), SHORT)
    assert unkept.extract(coloured().array).features.shape == (60, classifier_network.WIDTH)
    (line,) = (line for line in log_messages(caplog) if "cannot write" in line)
    assert line.startswith("cannot write classifiers/kept")


def test_data_that_a_classifier_cannot_learn(store: Store) -> None:
    with pytest.raises(ConfigError, match="no labels"):
        load_or_train_classifier("none", Images(coloured().array), None, store)
    with pytest.raises(ConfigError, match="20 labelled images"):
        load_or_train_classifier("few", coloured(19), None, store)


def test_each_channel_is_classified_by_itself(store: Store) -> None:
    single = load_or_train_classifier("single", coloured(), None, store, SHORT)
    whole = ChannelwiseBackbone(single, margin=2)
    images = RANDOM.integers(0, 256, (7, 3, 12, 12), dtype=np.uint8)
    seen = whole.extract(images)
    assert seen.predicted is not None
    assert seen.features.shape == (7, 3 * classifier_network.WIDTH)
    for channel in range(3):
        alone = single.extract(images[:, channel : channel + 1, 2:-2, 2:-2])
        part = seen.features[:, channel * classifier_network.WIDTH : (channel + 1) * classifier_network.WIDTH]
        assert np.allclose(part, alone.features, atol=1e-5)
        assert alone.predicted is not None
        assert np.array_equal(seen.predicted[:, channel], alone.predicted)


@pytest.mark.slow
def test_classifier_of_mnist(real_data: Path, store: Store, tmp_path: Path) -> None:
    train, test = (Mnist(str(real_data), (), split).load() for split in (MnistSplit.train, MnistSplit.test))
    made: ClassifierBackbone = load_or_train_classifier("mnist", train, test, store)
    assert made.facts["accuracy"] >= 0.99
    assert made.path.parent == tmp_path / "root" / "classifiers"
