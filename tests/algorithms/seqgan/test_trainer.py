from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gan_cli.algorithms.context import Context
from gan_cli.algorithms.seqgan.alarm_rules import SequenceSettings, sequence_alarm_rules
from gan_cli.algorithms.seqgan.estimators import Estimator
from gan_cli.algorithms.seqgan.gumbel_softmax import Gumbel
from gan_cli.algorithms.seqgan.phases import Phase, Phases
from gan_cli.algorithms.seqgan.policy_gradient import Rollouts
from gan_cli.algorithms.seqgan.statistics import distinct_metrics
from gan_cli.algorithms.seqgan.trainer import SeqGAN
from gan_cli.algorithms.spec import Sizes
from gan_cli.architectures.lstm import LSTM, LSTMLanguageModel
from gan_cli.architectures.text_cnn import HighwayCNN
from gan_cli.components.losses import NonSaturating, Relativistic
from gan_cli.components.optimizers import Adam
from gan_cli.components.schedules import Exponential
from gan_cli.config.diagnostics import DiagnosticsSection
from gan_cli.data.corpus import Corpus
from gan_cli.data.splits import selected_tokens
from gan_cli.datasets.oracle import LSTMOracle
from gan_cli.errors import InvalidValueError
from gan_cli.protocols.algorithm import Algorithm, RollbackAdjustment
from gan_cli.protocols.data import Sequences
from gan_cli.runtime.device import Device
from tests.helpers.plans import alarm_rules_of

CPU = Device(torch.device("cpu"), None, channels_last=False, compile=False, graph=False)
VOCABULARY, LENGTH = 12, 6
ROLLOUTS, GUMBEL = Rollouts(count=2), Gumbel(Exponential(1.0, 0.5, 4))
Make = Callable[[], SeqGAN]


def corpus(end: int | None = None) -> Corpus:
    torch.manual_seed(7)
    oracle = LSTMOracle(LSTMLanguageModel(VOCABULARY, 3, 3))
    tokens = oracle.draw(80, LENGTH, torch.Generator().manual_seed(0)).numpy()
    if end is not None:
        after_end = (tokens == end).cumsum(1) > 0
        tokens = np.where(after_end, end, tokens)
    words = tuple(f"w{number}" for number in range(VOCABULARY))
    train = Sequences(tokens, words, end, rows=np.arange(64))
    return Corpus(train, Sequences(tokens, words, end, rows=np.arange(64, 80)), oracle, 2.4)


def seqgan(estimator: Estimator = ROLLOUTS, end: int | None = None, **settings: Any) -> SeqGAN:
    context = Context((LENGTH,), 0, CPU, 3, batch_size=8, pac=1, log_every=2, sample_count=5, half_life=0)
    reader = HighwayCNN(embedding=4, sizes=(1, 2, 3), filters=(3, 4, 5))
    defaults = {"objective": NonSaturating(), "mle_epochs": 2, "d_pretraining": 3, "d_steps": 2, "d_epochs": 2}
    return SeqGAN(
        context=context,
        architecture=LSTM(4, 5, reader),
        optimizer=Adam(lr=0.01, betas=(0.9, 0.999)),
        corpus=corpus(end),
        estimator=estimator,
        **(defaults | {"d_samples": 20, "measured": 16} | settings),
    )


MAKERS: dict[str, Make] = {
    "rollouts": seqgan,
    "rollouts with an end": lambda: seqgan(end=4),
    "relaxed": lambda: seqgan(GUMBEL),
    "relaxed, relativistic, with an end": lambda: seqgan(GUMBEL, end=4, objective=Relativistic(), g_steps=2),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def test_phases_are_a_function_of_the_step() -> None:
    phases = Phases(mle=2, discriminator=1)
    expected = [
        (Phase.mle, 0),
        (Phase.mle, 1),
        (Phase.discriminator, 0),
        (Phase.adversarial, 0),
        (Phase.adversarial, 1),
    ]
    assert [phases.at(step) for step in range(5)] == expected
    assert Phases(0, 0).at(0) == (Phase.adversarial, 0)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())
def test_resumed_run_is_bitwise_equal(make: Make, tmp_path: Any) -> None:
    whole = make()
    assert isinstance(whole, Algorithm)
    for steps in range(1, 8):
        whole.update(steps - 1)
        if steps == 3:
            whole.report()
        if steps in (1, 4, 6):  # within each phase
            torch.save(whole.state_dict(), tmp_path / f"{steps}.pt")
    end, report = whole.state_dict(), whole.report()
    for steps in (1, 4, 6):
        torch.manual_seed(12345)
        part = make()
        part.load_state_dict(torch.load(tmp_path / f"{steps}.pt", weights_only=True))
        for step in range(steps, 7):
            part.update(step)
            if step == 2:
                part.report()
        assert same(part.state_dict(), end)
        assert part.report() == report
        np.testing.assert_array_equal(part.samples(9), whole.samples(9))


def test_probing_changes_nothing() -> None:
    alone = seqgan()
    for step in range(7):
        alone.update(step)
    expected = alone.state_dict()
    watched = seqgan()
    for step in range(7):
        watched.update(step)
        watched.preview()
        watched.samples(3)
        list(watched.tensors())
        assert watched.nonfinite() is None
    assert same(watched.state_dict(), expected)


def test_each_phase_changes_what_it_should() -> None:
    model = seqgan()
    for step, (g, d) in enumerate([(True, False)] * 2 + [(False, True)] * 3 + [(True, True)]):
        before = [{key: value.clone() for key, value in net.state_dict().items()} for net in nets(model)]
        model.update(step)
        changed = [not same(old, net.state_dict()) for old, net in zip(before, nets(model), strict=True)]
        assert changed == [g, d]


def nets(model: SeqGAN) -> tuple[torch.nn.Module, torch.nn.Module]:
    return model.generator, model._discriminator_trainer.discriminator


def test_a_report_says_what_there_is_in_each_phase() -> None:
    model = seqgan()
    tags = []
    for step in range(6):
        model.update(step)
        tags.append(model.report().scalars)
    always = {"metrics/nll_oracle", "metrics/nll_test", "diagnosis/oracle_entropy", "diagnosis/distinct_2", "phase"}
    assert all(always <= set(each) for each in tags)
    assert [each["phase"] for each in tags] == [0, 0, 1, 1, 1, 2]
    assert "loss/d" not in tags[0]
    assert {"loss/d", "d/accuracy_real", "divergence/jsd", "d_real/mean", "grad_norm/d"} <= set(tags[3])
    assert "reward/mean" not in tags[3]
    assert 0 < tags[5]["reward/mean"] < 1
    assert all(np.isfinite(list(each.values())).all() for each in tags)


def test_likelihood_is_learnt() -> None:
    model = seqgan(mle_epochs=30)
    model.update(0)
    first = model.report().scalars["metrics/nll_test"]
    for step in range(1, 30):
        model.update(step)
    assert model.report().scalars["loss/g"] < first


def test_samples_are_tokens_and_a_preview_sentences() -> None:
    model = seqgan(end=4)
    samples = model.samples(3000)
    assert samples.shape == (3000, LENGTH)
    assert samples.dtype == np.int64
    lines = model.preview().lines
    assert len(lines) == 5
    assert all("w4" not in line for line in lines)
    np.testing.assert_array_equal(samples, model.samples(3000))


def test_adjustment_survives_a_resume() -> None:
    model = seqgan(lr_game=0.5)
    model.apply_adjustment(RollbackAdjustment(lr_g=0.5, lr_d=0.25))
    other = seqgan(lr_game=0.5)
    other.load_state_dict(model.state_dict())
    for step in range(6):
        other.update(step)
    scalars = other.report().scalars
    assert scalars["lr/g"] == pytest.approx(0.0025)
    assert scalars["lr/d"] == pytest.approx(0.0025)


def test_rows_that_are_held_out_are_left_out() -> None:
    rows = selected_tokens(Sequences(np.arange(12).reshape(4, 3), tuple("abc"), rows=np.array([1, 3])))
    assert rows.tolist() == [[3, 4, 5], [9, 10, 11]]


def test_diversity_is_that_of_as_many_real_sequences() -> None:
    generated, real = torch.tensor([[1, 2, 1, 2]]), torch.tensor([[1, 2, 3, 3], [3, 3, 3, 3]])
    figures = {
        tag.removeprefix("diagnosis/"): float(each) for tag, each in distinct_metrics(generated, real, 0).items()
    }
    shares = {"distinct_1": 2 / 4, "distinct_2": 2 / 3, "distinct_1_real": 3 / 4, "distinct_2_real": 1.0}
    assert figures == pytest.approx(shares)


def test_an_outline_passes_two_sequences_through_both() -> None:
    with torch.device("meta"):
        outline = SeqGAN.outline(LSTM(), Sizes((20,), 0, vocabulary=50))
        logits, verdicts = outline.run()  # type: ignore[misc]
    assert logits.shape == (2, 20, 50)
    assert verdicts.shape == (2,)
    assert set(outline.networks) == {"generator", "discriminator"}


@pytest.mark.parametrize(
    "wrong", [{"mle_epochs": -1}, {"g_steps": 0}, {"d_samples": 0}, {"clip_norm": 0.0}, {"temperature": 0.0}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        seqgan(**wrong)


FINE = {
    "metrics/nll_oracle": 8.7,
    "diagnosis/oracle_entropy": 5.75,
    "metrics/nll_test": 9.0,
    "diagnosis/distinct_2": 0.9,
    "diagnosis/distinct_2_real": 0.95,
    "d/accuracy_real": 0.7,
    "d/accuracy_fake": 0.7,
    "reward/mean": 0.4,
    "lr/g": 0.01,
    "lr/d": 1e-4,
}


@pytest.mark.parametrize(
    ("change", "alarm", "message"),
    [
        ({"metrics/nll_oracle": 5.0}, "mode_collapse", "score 5.00 .* less than the 5.75 .* held-out ones is 9.00"),
        ({"diagnosis/distinct_2": 0.05}, "mode_collapse", "5.0% of generated bigrams .* real ones 95.0%"),
        (
            {"d/accuracy_real": 1.0, "d/accuracy_fake": 0.999, "reward/mean": 0.001},
            "discriminator_too_strong",
            "reward is 0.001",
        ),
    ],
)
def test_alarms(change: dict[str, float], alarm: str, message: str) -> None:
    alarms = sequence_alarm_rules(DiagnosticsSection(), SequenceSettings(lr_g=0.01, lr_d=1e-4))
    assert not any(rule.severity(FINE) for rule in alarms)
    now = FINE | change
    (shown,) = (rule for rule in alarms if rule.severity(now))
    assert shown.name == alarm
    assert set(shown.needs) <= set(now)
    assert re.search(message, shown.message(now))
    assert shown.suggestion(now).overrides.startswith("optimizer.lr_")


@pytest.mark.parametrize(
    ("setting", "name", "overrides"),
    [
        ("algorithm.temperature=0.1", "mode_collapse", "algorithm.temperature=1"),
        ("algorithm.temperature=1", "mode_collapse", "optimizer.lr_g=0.0025"),
        ("algorithm.mle_epochs=0", "discriminator_too_strong", "algorithm.mle_epochs=25 train.steps=89"),
        ("algorithm.mle_epochs=5", "discriminator_too_strong", "optimizer.lr_d=2.5e-05"),
    ],
)
def test_suggestions_fit_the_settings(setting: str, name: str, overrides: str) -> None:
    (rule,) = (rule for rule in alarm_rules_of("algorithm=seqgan", "dataset=oracle", setting) if rule.name == name)
    assert rule.suggestion(FINE).overrides == overrides
