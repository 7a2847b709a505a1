"""Backbones: what they see of samples, and how the classifier is trained once and read back."""

from __future__ import annotations

import io
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gan_cli.data.cache import Store
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.datasets.mnist import Mnist, MnistSplit
from gan_cli.errors import ConfigError, DataError
from gan_cli.evaluation.backbones import classifier_network
from gan_cli.evaluation.backbones import inception as inception_module
from gan_cli.evaluation.backbones.chance import binomial_tail, chance_facts
from gan_cli.evaluation.backbones.classifier import ChannelwiseBackbone, ClassifierBackbone, load_or_train_classifier
from gan_cli.evaluation.backbones.classifier_network import ClassifierSettings
from gan_cli.evaluation.backbones.inception import FILE, load_inception
from gan_cli.evaluation.backbones.pixels import Pixels
from gan_cli.evaluation.document import document, table
from gan_cli.protocols.data import Images
from tests.conftest import log_messages

CPU = torch.device("cpu")
SHORT = ClassifierSettings(batch_size=16, fewest=12, most=12)
RANDOM = np.random.default_rng(0)


def coloured(count: int = 60, shape: tuple[int, ...] = (1, 8, 8), classes: int = 3) -> Images:
    """Images whose class is their brightness."""
    labels = np.arange(count) % classes
    noise = RANDOM.integers(0, 40, (count, *shape))
    return Images((noise + labels.reshape(-1, 1, 1, 1) * 80).astype(np.uint8), labels)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return Store(tmp_path / "root")


def test_pixels_are_the_samples_themselves() -> None:
    images = RANDOM.integers(0, 256, (5, 3, 4, 4), dtype=np.uint8)
    seen = Pixels(Digits().coordinates).extract(images)
    assert seen.features.shape == (5, 48)
    assert seen.features.dtype == np.float32
    assert np.array_equal(np.rint((seen.features + 1) * 127.5), images.reshape(5, -1))
    ring = Ring(radius=7.0)
    points = RANDOM.standard_normal((6, 2)).astype(np.float32)
    assert np.allclose(Pixels(ring.coordinates).extract(points).features, points * ring.scale)


def test_training_is_a_function_of_the_seed_and_leaves_the_global_stream_alone() -> None:
    data = coloured()
    assert data.labels is not None
    before = torch.get_rng_state()
    first, again, other = (
        classifier_network.checksum(
            classifier_network.train(data.pixels, data.labels, 3, ClassifierSettings(seed, 16, 1, 5, 5)).state_dict()
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
    seen = made.extract(data.pixels)
    assert seen.features.shape == (30, classifier_network.WIDTH)
    assert seen.predicted is not None
    assert set(seen.predicted) <= {0, 1, 2}
    assert made.facts["resizing"] == ("averaged to 32x32" if shape[1] == 64 else "none")


def test_features_do_not_depend_on_how_many_images_there_are(store: Store) -> None:
    data = coloured(classifier_network.BLOCK + 7)
    made = load_or_train_classifier("many", data, None, store, SHORT)
    together = made.extract(data.pixels)
    alone = made.extract(data.pixels[-7:])
    assert np.allclose(together.features[-7:], alone.features, atol=1e-5)


def test_classifier_learns_digits(digits_root: Path) -> None:
    made = load_or_train_classifier("digits", Digits().load(), None, Store(digits_root))
    assert made.facts["accuracy"] > 0.97
    assert made.facts["measured_on"] == "359 images held out of its training"


def test_accuracy_is_that_of_the_test_images(store: Store) -> None:
    data = coloured(90)
    test = Images(data.pixels[:40], (np.arange(40) + 1) % 3)  # all labels wrong
    made = load_or_train_classifier("wrong", data, test, store, ClassifierSettings(batch_size=16, fewest=60, most=60))
    assert made.facts["accuracy"] == pytest.approx(0, abs=0.1)
    assert made.facts["measured_on"] == "40 test images"


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
    assert np.array_equal(again.extract(data.pixels).features, first.extract(data.pixels).features)
    with pytest.raises(AssertionError, match="trained"):
        load_or_train_classifier("kept", coloured(), None, store, SHORT)  # other noise: other data
    with pytest.raises(AssertionError, match="trained"):
        load_or_train_classifier(
            "kept", data, None, store, ClassifierSettings(seed=1, batch_size=16, fewest=12, most=12)
        )


def never(*arguments: Any) -> Any:
    raise AssertionError("trained")


class Harm:
    """What a pickle may do to whoever opens it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, ("harmed",))


def changed_weight(content: bytes) -> bytes:
    stored = torch.load(io.BytesIO(content), weights_only=True)
    stored["weights"]["head.bias"][0] += 1
    return saved(stored)


def saved(stored: Any) -> bytes:
    file = io.BytesIO()
    torch.save(stored, file)
    return file.getvalue()


def forged(**changes: Any) -> Any:
    """A change of entries, with a checksum that fits the weights."""

    def change(content: bytes) -> bytes:
        stored = torch.load(io.BytesIO(content), weights_only=True)
        stored.update(changes)
        return saved(stored)

    return change


def not_finite(content: bytes) -> bytes:
    stored = torch.load(io.BytesIO(content), weights_only=True)
    stored["weights"]["head.bias"][0] = float("nan")
    return saved({**stored, "checksum": classifier_network.checksum(stored["weights"])})


def compressed(content: bytes) -> bytes:
    """An archive that grows by a factor of hundreds."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**24))
    return file.getvalue()


@pytest.mark.parametrize(
    "damage",
    [
        forged(shape=[1, 10**6, 10**6]),
        forged(classes=10**9),
        forged(classes=2),
        forged(accuracy=float("nan")),
        forged(accuracy="high"),
        forged(accuracy=10**400),
        forged(measured_on="x" * 10**6),
        forged(weights="weights"),
        forged(weights={"head.bias": torch.zeros(1).expand(10**9)}),
        not_finite,
        compressed,
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"no archive",
        changed_weight,
        lambda content: saved({"weights": {}}),
        lambda content: saved([1, 2]),
        lambda content: saved(Harm()),
    ],
    ids=[
        "shape",
        "classes",
        "fewer",
        "nan",
        "word",
        "huge",
        "long",
        "words",
        "expanded",
        "not finite",
        "bomb",
        "cut",
        "empty",
        "text",
        "weight",
        "incomplete",
        "list",
        "code",
    ],
)
def test_damaged_classifier_is_trained_again(
    damage: Any, store: Store, caplog: pytest.LogCaptureFixture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = coloured()
    first = load_or_train_classifier("kept", data, None, store, SHORT)
    first.path.write_bytes(damage(first.path.read_bytes()))
    with caplog.at_level("WARNING", "gan_cli"):
        again = load_or_train_classifier("kept", data, None, store, SHORT)
    assert again.checksum == first.checksum
    assert len([line for line in log_messages(caplog) if "trained again" in line]) == 1
    assert not Path("harmed").exists()
    assert [file.name for file in first.path.parent.iterdir()] == [first.path.name]  # nothing half-written is left


@pytest.mark.parametrize("kind", ["fifo", "sparse"])
def test_what_is_no_classifier_file_is_not_read(kind: str, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A FIFO would be waited for without end, and gigabytes without content would fill the memory."""
    data = coloured()
    path = load_or_train_classifier("kept", data, None, store, SHORT).path
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**36)
    with caplog.at_level("WARNING", "gan_cli"):
        load_or_train_classifier("kept", data, None, store, SHORT)
    (line,) = (line for line in log_messages(caplog) if "trained again" in line)
    assert ("not a regular file" in line) == (kind == "fifo")
    assert path.is_file()
    assert path.stat().st_size < 2**22


def test_classifier_of_another_process_is_used(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both trained; the one that ends later takes what is there, so that both call the same features theirs."""
    data, train, met = coloured(), classifier_network.train, []

    def slowly(*arguments: Any) -> Any:
        if not met:
            met.append(None)
            met.append(load_or_train_classifier("kept", data, None, store, SHORT))  # the other process, meanwhile
        return train(data.pixels, data.labels, 3, ClassifierSettings(seed=5, batch_size=16, fewest=2, most=2))

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
    assert unkept.extract(coloured().pixels).features.shape == (60, classifier_network.WIDTH)
    (line,) = (line for line in log_messages(caplog) if "cannot write" in line)
    assert line.startswith("cannot write classifiers/kept")


def test_data_that_a_classifier_cannot_learn(store: Store) -> None:
    with pytest.raises(ConfigError, match="no labels"):
        load_or_train_classifier("none", Images(coloured().pixels), None, store)
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


# A stand-in for torch-fidelity: its interface, with a mean over pixels in place of the network.
STAND_IN = """
import torch

class FeatureExtractorInceptionV3(torch.nn.Module):
    def __init__(self, name, features_list, feature_extractor_weights_path=None, **kwargs):
        super().__init__()
        assert features_list == ["2048"]
        self.scale = torch.nn.Linear(1, 1, bias=False)
        self.load_state_dict(torch.load(feature_extractor_weights_path))
        self.seen = []

    def forward(self, images):
        assert images.dtype == torch.uint8 and images.dim() == 4 and images.shape[1] == 3
        assert images.is_contiguous()
        self.seen.append(images.clone())
        means = images.float().mean(dim=(2, 3)) * self.scale.weight[0, 0]
        return (means.repeat(1, 683)[:, :2048],)
"""


@pytest.fixture
def fidelity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """torch-fidelity, or what looks like it, is installed; gives a file of weights."""
    package = tmp_path / "site" / "torch_fidelity"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "feature_extractor_inceptionv3.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(package.parent)
    weights = tmp_path / "weights.pth"
    torch.save({"scale.weight": torch.tensor([[2.0]])}, weights)
    yield weights
    for name in [name for name in sys.modules if name.startswith("torch_fidelity")]:
        del sys.modules[name]


@pytest.mark.parametrize("channels", [1, 3])
def test_inception_sees_bytes_in_three_channels(channels: int, fidelity: Path, tmp_path: Path) -> None:
    made = load_inception(fidelity, tmp_path, CPU)
    images = RANDOM.integers(0, 256, (inception_module.BLOCK + 3, channels, 5, 6), dtype=np.uint8)
    features = made.extract(images).features
    assert features.shape == (len(images), 2048)
    assert features.dtype == np.float32
    expected = 2 * images.mean(axis=(2, 3))[:, [0, 0, 0] if channels == 1 else [0, 1, 2]]
    assert np.allclose(features[:, :3], expected, rtol=1e-5)
    seen: list[torch.Tensor] = made.extractor.seen  # type: ignore[attr-defined]
    assert torch.equal(torch.cat(seen)[:, :channels], torch.from_numpy(images))
    assert made.facts["weights"] == "not the published ones"
    assert "299" in made.facts["resizing"]


def test_inception_without_its_package(tmp_path: Path) -> None:
    if "torch_fidelity" in sys.modules:
        pytest.skip("torch-fidelity is installed here")
    with pytest.raises(ConfigError, match=r"^backbone inception: .* pip install 'gan-cli\[fid\]'$"):
        load_inception(None, tmp_path, CPU)


def test_inception_with_a_package_that_fails(fidelity: Path, tmp_path: Path) -> None:
    (tmp_path / "site/torch_fidelity/feature_extractor_inceptionv3.py").write_text("import no_such_torchvision")
    with pytest.raises(ConfigError, match="no_such_torchvision"):
        load_inception(fidelity, tmp_path, CPU)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no file of weights alone"),
        (b"no archive", "no file of weights alone"),
        (saved(Harm()), "no file of weights alone"),
        (saved({"other": torch.zeros(1)}), "does not fit Inception"),
    ],
    ids=["empty", "text", "code", "other"],
)
def test_wrong_weights_of_inception(
    content: bytes, words: str, fidelity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fidelity.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as refused:
        load_inception(fidelity, tmp_path, CPU)
    assert len(str(refused.value).splitlines()) == 1
    assert not Path("harmed").exists()


def test_weights_that_are_not_there(fidelity: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_inception(tmp_path / "nowhere.pth", tmp_path, CPU)
    with pytest.raises(DataError, match=f"Put {FILE} into {tmp_path}/inception, or name a file with --weights"):
        load_inception(None, tmp_path, CPU, mirrors=("http://127.0.0.1:9/",))
    assert not (tmp_path / "inception").exists()


def test_published_weights_in_the_data_root_are_used(fidelity: Path, tmp_path: Path) -> None:
    (tmp_path / "inception").mkdir()
    (tmp_path / "inception" / FILE).write_bytes(fidelity.read_bytes())
    assert load_inception(None, tmp_path, CPU, mirrors=()).extract(np.zeros((1, 1, 4, 4), np.uint8)).features.sum() == 0


def test_downloaded_weights_are_checked(fidelity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="SHA-256"):
        inception_module._check(fidelity)
    monkeypatch.setattr(inception_module, "CHECKSUM", inception_module.sha256(fidelity))
    inception_module._check(fidelity)
    made = load_inception(fidelity, tmp_path, CPU)
    assert made.facts["weights"] == "inception-2015-12-05"


@pytest.mark.slow
def test_classifier_of_mnist(real_data: Path, store: Store, tmp_path: Path) -> None:
    train, test = (Mnist(str(real_data), (), split).load() for split in (MnistSplit.train, MnistSplit.test))
    made: ClassifierBackbone = load_or_train_classifier("mnist", train, test, store)
    assert made.facts["accuracy"] >= 0.99
    assert made.path.parent == tmp_path / "root" / "classifiers"


def guessed() -> Images:
    """Images of noise whose labels have nothing to do with them."""
    random = np.random.default_rng(1)
    return Images(random.integers(0, 256, (300, 1, 8, 8), dtype=np.uint8), random.integers(0, 3, 300))


def test_classifier_that_guesses_costs_a_warning(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", "gan_cli"):
        made = load_or_train_classifier("guesses", guessed(), None, store, SHORT)
    (line,) = log_messages(caplog)
    assert line.startswith("classifier of guesses: no better than chance (accuracy 0.")
    assert "on 60 images held out of its training, chance 0." in line
    assert "the backbone inception measures FID without it (pip install 'gan-cli[fid]')" in line
    assert made.facts["caution"] == "no better than chance"
    assert 1 / 3 <= made.facts["chance"] < 0.6
    assert load_or_train_classifier("guesses", guessed(), None, store, SHORT).facts["caution"], "read back, too"


def test_classifier_that_learned_is_not(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", "gan_cli"):
        settings = ClassifierSettings(batch_size=16, fewest=60, most=60)
        made = load_or_train_classifier("learned", coloured(200), None, store, settings)
    assert not log_messages(caplog)
    assert made.facts["accuracy"] > 0.9
    assert "caution" not in made.facts


def test_chance_is_the_commonest_class() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    assert chance_facts(0.9, labels) == {"chance": 0.9, "caution": "no better than chance"}
    assert chance_facts(0.96, labels) == {"chance": 0.9, "caution": "no better than chance"}, "within the noise of 100"
    assert chance_facts(0.97, labels) == {"chance": 0.9}
    assert chance_facts(0.68, np.arange(72) % 3) == {"chance": 1 / 3, "caution": "right on 68% of images only"}
    assert chance_facts(1.0, np.zeros(5, np.int64)) == {"chance": 1.0, "caution": "no better than chance"}
    assert "caution" in chance_facts(1.0, np.arange(4) % 2), "four of four are guessed once in sixteen times"


@pytest.mark.parametrize(
    ("successes", "trials", "probability"), [(0, 5, 0.3), (3, 5, 0.3), (60, 100, 0.5), (10_000, 10_000, 0.999)]
)
def test_binomial_tail_is_that_of_scipy(successes: int, trials: int, probability: float) -> None:
    from scipy.stats import binom

    assert binomial_tail(successes, trials, probability) == pytest.approx(binom.sf(successes - 1, trials, probability))


def test_metrics_of_a_backbone_at_chance_are_marked() -> None:
    facts = {"classifier": {"accuracy": 0.3, "caution": "no better than chance"}, "pixels": {}}
    metrics = {"frechet/classifier": 1.0, "frechet/pixels": 2.0, "sharpness": 3.0}
    found = document(metrics, {}, {"backbones": facts})["figures"]
    assert found["frechet/classifier"]["caution"] == "classifier no better than chance"
    assert not any("caution" in found[name] for name in ("frechet/pixels", "sharpness"))
    counts = {"generated": 1, "training": 2, "held_out": 3, "floor": 4}
    data = {"name": "x", "held_out": "x", "floor": "x", "fingerprint": "x"}
    others = {"generator": {}, "seed": 0, "versions": {}}
    whole = {"figures": found, "samples": counts, "data": data, "backbones": facts, **others}
    (line,) = (line for line in table(whole).splitlines() if line.startswith("frechet/classifier"))
    assert line.endswith("(classifier no better than chance)")
