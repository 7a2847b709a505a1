"""Classifiers no better than chance: when one counts as such, and what is said of its metrics."""

from __future__ import annotations

import numpy as np
import pytest

from gan_cli.data.cache import Store
from gan_cli.evaluation.backbones.chance import binomial_tail, chance_facts
from gan_cli.evaluation.backbones.classifier import load_or_train_classifier
from gan_cli.evaluation.backbones.classifier_network import ClassifierSettings
from gan_cli.evaluation.document import document, table
from gan_cli.protocols.data import Images
from tests.conftest import log_messages
from tests.helpers.classifiers import SHORT, coloured


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
