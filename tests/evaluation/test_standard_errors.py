"""Standard errors of metrics: that of a mean in closed form, and those of metrics against repeated draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gan_cli.config.schema import Config, EvaluationSection
from gan_cli.datasets.gaussian_mixtures import Ring
from gan_cli.datasets.oracle import Oracle
from gan_cli.evaluation.factory import training_evaluator
from gan_cli.evaluation.standard_errors import deviation_over_halves
from gan_cli.evaluation.text import EvaluationSize, sequence_evaluator
from gan_cli.protocols.arrays import FloatArray, IntArray


def test_error_of_a_mean_is_the_deviation_over_the_root_of_the_count() -> None:
    values = np.random.default_rng(0).normal(5, 3, 400)

    def numbers_of(rows: IntArray) -> dict[str, float]:
        assert len(rows) == len(set(rows.tolist())) == 200
        return {"mean": float(values[rows].mean()), "constant": 1.0}

    estimates = [deviation_over_halves(numbers_of, len(values))]
    assert estimates[0]["constant"] == 0
    # Twenty halves know it to a sixth of itself.
    assert estimates[0]["mean"] == pytest.approx(values.std(ddof=1) / 20, rel=0.5)
    assert deviation_over_halves(numbers_of, len(values)) == estimates[0]


def points(seed: int, count: int) -> FloatArray:
    """Points that lie about a shifted ring, as an imperfect generator makes them."""
    random = np.random.default_rng(seed)
    angle = random.integers(0, 8, count) * np.pi / 4
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return (0.8 * ring + random.normal(0.1, 0.1, (count, 2))).astype(np.float32)


@pytest.mark.parametrize("name", ["frechet/pixels", "coverage/pixels", "high_quality", "kernel/pixels"])
def test_error_is_the_deviation_over_draws(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAN_DATA", str(tmp_path))
    config = Config(evaluation=EvaluationSection(samples=200))
    evaluator = training_evaluator(config, Ring(), Ring().load(), 0.05)
    found = [evaluator(lambda count, seed=seed: points(seed, count), errors_of=[name]) for seed in range(30)]
    assert set(found[0].errors) == {name}
    drawn = np.std([each.metrics[name] for each in found], ddof=1)
    estimated = np.mean([each.errors[name] for each in found])
    assert 0.6 < estimated / drawn < 1.7
    # It changes no metric, and costs nothing where it is not asked for.
    plain = evaluator(lambda count: points(0, count))
    assert (plain.metrics, plain.errors) == (found[0].metrics, {})


def test_errors_of_sequences(tmp_path: Path) -> None:
    dataset = Oracle(str(tmp_path), length=4, count=300)
    size = EvaluationSize(count=100, hypotheses=40, references=50)
    evaluator = sequence_evaluator(dataset, dataset.load(), 0.05, size=size)
    tokens = np.random.default_rng(0).integers(0, 5000, (100, 4))
    evaluation = evaluator(lambda count: tokens[:count], errors_of=["nll_oracle", "repeated"])
    assert evaluation.errors.keys() == {"nll_oracle", "repeated"}
    known = dataset.oracle(torch.device("cpu")).nll(torch.from_numpy(tokens))
    assert evaluation.errors["nll_oracle"] == pytest.approx(float(known.std()) / 10, rel=0.5)
    assert evaluator(lambda count: tokens[:count]).metrics == evaluation.metrics
