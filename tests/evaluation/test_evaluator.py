"""The evaluator that training calls again and again: roles of real samples, repeatability, what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from gan_cli.config.schema import BackboneKind, Config, EvaluationSection
from gan_cli.data.fingerprint import fingerprint
from gan_cli.data.splits import split_rows
from gan_cli.datasets.cifar import Cifar10
from gan_cli.datasets.digits import Digits
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.datasets.image_folder import ImageFolder
from gan_cli.datasets.mnist import FashionMnist, Mnist, MnistSplit
from gan_cli.datasets.stacked_mnist import StackedMnist
from gan_cli.errors import ConfigError, DivergedError, InvalidValueError
from gan_cli.evaluation.evaluator import Evaluator
from gan_cli.evaluation.factory import EvaluationOptions, build_evaluator, training_evaluator
from gan_cli.evaluation.real_data import default_count, find_test_split, real_data, sample_labels
from gan_cli.metrics.frechet import frechet_distance, gaussian_moments
from gan_cli.metrics.precision_recall import manifold
from gan_cli.metrics.wasserstein import wasserstein_distance
from gan_cli.protocols.arrays import FloatArray
from gan_cli.protocols.data import Images
from tests.helpers.metrics import declared_tags
from tests.helpers.real_data import linked

RANDOM = np.random.default_rng(0)


def numbered(count: int) -> Images:
    """Images that can be told apart: the number of each in its first three bytes."""
    pixels = np.zeros((count, 1, 2, 2), np.uint8)
    pixels[:, 0, 0, 0], pixels[:, 0, 0, 1] = np.divmod(np.arange(count), 256)
    return Images(pixels, np.arange(count) % 7)


def numbers(images: np.ndarray) -> list[int]:
    return [int(image[0, 0, 0]) * 256 + int(image[0, 0, 1]) for image in images]


def test_roles_without_a_test_split() -> None:
    data = real_data(numbered(1000), None, 300, 0.1)
    training, floor_samples, held_out = numbers(data.training), numbers(data.floor_samples), numbers(data.held_out)
    assert sorted(training) == split_rows(1000, 0.1)[0].tolist()
    assert sorted(held_out) == split_rows(1000, 0.1)[1].tolist()
    assert len(floor_samples) == 300
    assert data.num_reference == 600
    assert set(floor_samples) == set(training) - set(training[: data.num_reference])
    assert data.labels is not None
    assert data.labels.tolist() == [number % 7 for number in training]
    assert training != sorted(training)  # of any sorted data the first rows would be of one kind


def test_roles_of_few_data_are_two_halves() -> None:
    data = real_data(numbered(100), None, 5000, 0.0)
    assert (data.num_reference, len(data.floor_samples), len(data.held_out)) == (50, 50, 0)
    with pytest.raises(ConfigError, match="at least 20 training samples; these data have 19"):
        real_data(numbered(19), None, 10, 0.05)


def test_roles_with_a_test_split() -> None:
    test = Images(numbered(1500).array[1000:])
    data = real_data(numbered(1000), test, 200, 0.1)
    assert data.num_reference == len(data.training) == 900
    assert len(data.floor_samples) == 200
    assert sorted(numbers(data.held_out)) == list(range(1000, 1500))
    assert set(numbers(data.floor_samples)) < set(numbers(data.held_out))


def test_roles_of_a_density_are_drawn_apart() -> None:
    data = real_data(Ring().load(), None, 50, 0.05)
    assert data.fresh
    drawn = np.concatenate([data.training, data.floor_samples, data.held_out])
    assert drawn.shape == (150, 2)
    assert len(np.unique(drawn, axis=0)) == 150
    again = real_data(Ring().load(), None, 50, 0.05)
    assert np.array_equal(data.training, again.training)


def test_points_drawn_once_are_compared_with_fresh_ones() -> None:
    dataset = Ring(count=12)
    mixture = find_test_split(dataset)
    assert mixture == Ring()
    data = real_data(dataset.load(), mixture.load(), 50, 0.05)
    assert len(np.unique(data.training, axis=0)) <= 12
    assert len(np.unique(np.concatenate([data.floor_samples, data.held_out]), axis=0)) == 100


def test_usual_number_of_samples() -> None:
    assert default_count(numbered(1000), 10_000, 0.1) == 450
    assert default_count(numbered(1000), 100, 0.1) == 100
    assert default_count(Ring().load(), 10_000, 0.1) == 10_000


def test_test_split_of_datasets_that_have_one(tmp_path: Path) -> None:
    for dataset in (Mnist("r", ()), FashionMnist("r", (), size=16), Cifar10("r", ())):
        part = find_test_split(dataset)
        assert type(part) is type(dataset)
        assert part.split.name == "test"  # type: ignore[union-attr]
        assert part.shape == dataset.shape
        assert find_test_split(part) is None
    stacked = find_test_split(StackedMnist("r", (), size=32))
    assert isinstance(stacked, StackedMnist)
    assert (stacked.split, stacked.size, stacked.count) == (MnistSplit.test, 32, 10_000)
    for other in (Digits(), Ring(), ImageFolder(path=str(tmp_path), root="r")):
        assert find_test_split(other) is None


def test_fingerprint_distinguishes_data() -> None:
    data = numbered(50)
    changed = data.array.copy()
    changed[33, 0, 1, 1] = 1
    assert data.labels is not None
    others = [
        Images(changed, data.labels),
        Images(data.array, data.labels + 1),
        Images(data.array),
        Images(data.array.reshape(50, 1, 4, 1), data.labels),
        Ring().load(),
        Ring(radius=2.0, std=0.5).load(),
        Ring(modes=9).load(),
    ]
    found = [fingerprint(source) for source in (data, *others)]
    assert len(set(found)) == len(found)
    assert fingerprint(numbered(50)) == found[0]


def test_labels_are_as_frequent_as_in_the_data() -> None:
    labels = np.array([0] * 700 + [1] * 200 + [4] * 100)
    drawn = sample_labels(labels, 10_000, seed=3)
    shares = np.bincount(drawn, minlength=5) / 10_000
    assert np.abs(shares - [0.7, 0.2, 0, 0, 0.1]).max() < 0.02
    assert np.array_equal(drawn, sample_labels(labels, 10_000, seed=3))
    assert not np.array_equal(drawn, sample_labels(labels, 10_000, seed=4))


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GAN_DATA", str(tmp_path))
    return tmp_path


def configured(**evaluation: object) -> Config:
    config = OmegaConf.to_object(OmegaConf.structured(Config(evaluation=EvaluationSection(**evaluation))))  # type: ignore[arg-type]
    assert isinstance(config, Config)
    return config


def uniform(count: int) -> FloatArray:
    return np.random.default_rng(1).uniform(-1, 1, (count, 1, 8, 8)).astype(np.float32)


def test_figures_are_those_of_the_metrics_themselves(root: Path) -> None:
    source = Digits().load()
    made = build_evaluator(Digits(), source, EvaluationOptions((BackboneKind.pixels,), 200))
    found = made(uniform).metrics
    data = made.data
    real = data.training.reshape(len(data.training), -1) / 127.5 - 1
    fake = np.rint((uniform(200).reshape(200, -1) + 1) * 127.5) / 127.5 - 1
    expected = frechet_distance(gaussian_moments(real[: data.num_reference]), gaussian_moments(fake))
    assert found["frechet/pixels"] == pytest.approx(expected, rel=1e-5)
    shares = manifold(real[:200], fake)
    assert found["recall/pixels"] == pytest.approx(shares.recall, abs=0.01)
    held_out = data.held_out.reshape(len(data.held_out), -1) / 127.5 - 1
    assert found["wasserstein/pixels"] == pytest.approx(wasserstein_distance(fake[:89], held_out), rel=1e-5)


def test_floor_is_what_spare_samples_score(root: Path) -> None:
    made = build_evaluator(Digits(), Digits().load(), EvaluationOptions((BackboneKind.pixels,), 200))
    floor_samples = made.data.floor_samples.astype(np.float32) / 127.5 - 1
    scored, floor = made(lambda count: floor_samples).metrics, made.floor()
    apart = {"memorisation/pixels", "copied/pixels", "wasserstein/pixels"}
    assert {name: floor[name] for name in floor.keys() - apart} == {name: scored[name] for name in floor.keys() - apart}
    assert floor["wasserstein/pixels"] > 0
    assert scored["copied/pixels"] == 1  # they are training samples
    assert floor["copied/pixels"] < 0.5


def test_training_evaluates_again_and_again_without_a_trace(root: Path) -> None:
    source = Digits().load()
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the state to be left alone
    made = training_evaluator(configured(samples=100, backbone=BackboneKind.pixels), Digits(), source, 0.05)
    first, again = made(uniform), made(uniform)
    assert first.metrics == again.metrics
    assert set(first.metrics) == declared_tags("pixels", "moments", "features", while_training=True) | {"sharpness"}
    assert set(first.metrics) >= {
        f"{kind}/pixels"
        for kind in ("frechet", "kernel", "kernel_deviation", "precision", "recall", "density", "coverage")
    }
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    assert first.provenance["samples"]["generated"] == 100


def test_training_chooses_what_suits_the_data(root: Path) -> None:
    source = Ring().load()
    made = training_evaluator(configured(), Ring(), source, 0.05)
    points = source.draw(2000, torch.Generator().manual_seed(5)).numpy()
    found = made(lambda count: points[:count]).metrics
    assert found["modes"] == 8
    assert found["high_quality"] == pytest.approx(0.989, abs=0.01)
    few = training_evaluator(configured(samples=5000, backbone=BackboneKind.pixels), Digits(), Digits().load(), 0.05)
    assert few.count == 854


@pytest.mark.parametrize("kind", [BackboneKind.classifier, BackboneKind.inception])
def test_training_refuses_a_backbone_that_does_not_suit(kind: BackboneKind, root: Path) -> None:
    with pytest.raises(ConfigError, match=f"^backbone {kind.name}: "):
        training_evaluator(configured(backbone=kind), Ring(), Ring().load(), 0.05)


def test_samples_that_are_not_finite(root: Path) -> None:
    made = build_evaluator(Digits(), Digits().load(), EvaluationOptions((BackboneKind.pixels,), 30))
    broken = uniform(30)
    broken[3, 0, 1, 1], broken[4, 0, 1, 1] = np.nan, np.inf
    with pytest.raises(DivergedError, match="2 of 30 generated samples are not finite"):
        made(lambda count: broken)
    with pytest.raises(ConfigError, match="expected samples of shape"):
        made(lambda count: np.zeros((30, 1, 4, 4), np.float32))


def test_wide_features_go_without_a_frechet_distance(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Wide(Digits):
        shape = (3, 40, 40)

    images = Images(RANDOM.integers(0, 256, (60, 3, 40, 40), dtype=np.uint8))
    with caplog.at_level("INFO", "gan_cli"):
        made = build_evaluator(Wide(), images, EvaluationOptions((BackboneKind.pixels,), 20))
    assert "frechet/pixels left out" in caplog.text
    found = made(lambda count: RANDOM.uniform(-1, 1, (count, 3, 40, 40)).astype(np.float32)).metrics
    assert "frechet/pixels" not in found
    assert "kernel/pixels" in found
    assert made.floor().keys() == found.keys()


@pytest.mark.parametrize(("key", "value"), [("samples", 19), ("samples", -1)])
def test_ranges_of_the_section(key: str, value: int) -> None:
    with pytest.raises(InvalidValueError, match=f"{key}: expected an integer from 20 to 1,000,000, got {value}"):
        EvaluationSection(**{key: value})


@pytest.mark.slow
def test_halves_of_mnist_are_the_noise_floor(real_data: Path, tmp_path: Path) -> None:
    """Two independent halves of the training data against each other."""
    source = Mnist(str(linked(real_data, tmp_path / "root")), ()).load()
    made = build_evaluator(Digits(), source, EvaluationOptions((BackboneKind.pixels,), 4000, share=0.05))
    assert isinstance(made, Evaluator)
    assert made.data.floor_origin.startswith("training samples apart")
    floor = made.floor()
    assert floor["frechet/pixels"] < 3
    assert abs(floor["kernel/pixels"]) < 3 * floor["kernel_deviation/pixels"]
    for share in ("precision", "recall", "coverage"):
        assert floor[f"{share}/pixels"] > 0.8


@pytest.mark.long
def test_modes_of_stacked_mnist(real_data: Path, tmp_path: Path) -> None:
    root = linked(real_data, tmp_path / "root")
    dataset = StackedMnist(str(root), (), count=12_000, size=32)
    source = dataset.load()
    made = build_evaluator(dataset, source, EvaluationOptions((BackboneKind.classifier,), 3000))
    other = StackedMnist(str(root), (), MnistSplit.test, 3000, 32, seed=9).load().array
    one = np.repeat(other[:1], 3000, axis=0)
    found, collapsed = (
        made(lambda count, images=images: images.astype(np.float32) / 127.5 - 1).metrics for images in (other, one)
    )
    # 3,000 draws of 1,000 even modes miss 1,000 e^-3 = 50 of them.
    assert 930 < found["modes"] < 970
    assert found["modes_kl"] == pytest.approx(999 / 6000, rel=0.3)
    assert collapsed["modes"] == 1
    assert collapsed["modes_kl"] == pytest.approx(np.log(1000), rel=0.01)
    assert made.backbone_measures[0].backbone.facts["applied"] == "to each channel"
