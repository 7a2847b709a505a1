from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from gan_cli.architectures.language_model import (
    CHUNK_ROWS,
    TokenSampler,
    chunk_rows,
    fixed_point_sums,
    nll,
    sample_sequences,
    token_mask,
    weighted_nll,
)
from gan_cli.architectures.lstm import LSTM, LSTMLanguageModel
from gan_cli.architectures.text_cnn import HighwayCNN
from gan_cli.errors import ConfigError, InvalidValueError
from gan_cli.runtime.rng import SeededStream

CPU = torch.device("cpu")


def language_model(vocabulary: int = 11, embedding: int = 3, hidden: int = 4, seed: int = 0) -> LSTMLanguageModel:
    torch.manual_seed(seed)
    network = LSTMLanguageModel(vocabulary, embedding, hidden)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_()
    return network


@pytest.mark.parametrize(("gigabytes", "vocabulary", "rows"), [(128, 5000, 100_000), (8, 5000, 6250), (8, 10**7, 128)])
def test_a_gpu_takes_as_many_rows_of_logits_as_its_memory_can_spare(
    gigabytes: int, vocabulary: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = SimpleNamespace(total_memory=gigabytes * 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    assert chunk_rows(torch.device("cuda"), vocabulary) == rows
    assert chunk_rows(CPU, vocabulary) == CHUNK_ROWS


def test_chunks_do_not_change_tokens_or_likelihoods(monkeypatch: pytest.MonkeyPatch) -> None:
    network, stream = language_model(), SeededStream(0, "uniform", CPU)
    uniform = stream.uniform(200, 6)
    found = []
    for rows in (128, 10**6):
        monkeypatch.setattr("gan_cli.architectures.language_model.chunk_rows", lambda *_, rows=rows: rows)
        tokens = sample_sequences(network, uniform)
        loss, _ = weighted_nll(network, tokens, torch.full(tokens.shape, 0.01))
        gradients = torch.autograd.grad(loss, list(network.parameters()))
        found.append((tokens, loss.detach(), gradients, nll(network, tokens)))
    torch.testing.assert_close(*found)


def by_hand(network: LSTMLanguageModel, tokens: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """-log p of each token in float64, gate by gate."""
    w = {name: value.double().numpy() for name, value in network.state_dict().items()}
    width = len(w["state_w"])
    scores = np.zeros(tokens.shape)
    for row, sentence in enumerate(tokens):
        h, c, before = np.zeros(width), np.zeros(width), 0
        for place, token in enumerate(sentence):
            gates = []
            for gate in range(4):
                own = slice(gate * width, (gate + 1) * width)
                x = w["embedding"][before]
                gates.append(x @ w["input_w"][:, own] + h @ w["state_w"][:, own] + w["gate_b"][own])
            i, f, o = (1 / (1 + np.exp(-gate)) for gate in gates[:3])
            c = f * c + i * np.tanh(gates[3])
            h = o * np.tanh(c)
            logits = h @ w["vocabulary_w"] + w["vocabulary_b"]
            scores[row, place] = np.log(np.exp(logits - logits.max()).sum()) + logits.max() - logits[token]
            before = token
    return scores


def test_likelihoods_agree_with_the_formula_in_float64() -> None:
    network = language_model()
    tokens = torch.randint(11, (5, 7), generator=torch.Generator().manual_seed(1))
    expected = by_hand(network, tokens.numpy())
    np.testing.assert_allclose(nll(network, tokens).numpy(), expected, rtol=1e-5, atol=1e-5)
    _, scores = weighted_nll(network, tokens, torch.ones(5, 7))
    np.testing.assert_allclose(scores.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_weighted_likelihood_and_its_gradients_are_those_of_cross_entropy(temperature: float) -> None:
    network = language_model()
    tokens = torch.randint(11, (40, 7), generator=torch.Generator().manual_seed(1))
    shares = torch.randn(40, 7, generator=torch.Generator().manual_seed(2))
    loss, _ = weighted_nll(network, tokens, shares, temperature)
    loss.mul(3.0).backward()
    found = [parameter.grad for parameter in network.parameters()]
    network.zero_grad()
    logits = network(tokens).flatten(0, 1) / temperature
    each = torch.nn.functional.cross_entropy(logits, tokens.flatten(), reduction="none")
    expected = (each * shares.flatten()).sum()
    expected.mul(3.0).backward()
    torch.testing.assert_close(loss, expected)
    for gradient, parameter in zip(found, network.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-4)


def test_a_token_stands_for_its_share_of_the_numbers() -> None:
    network = language_model()
    hidden = torch.randn(1, 4, generator=torch.Generator().manual_seed(3))
    p = network.logits(hidden).softmax(1).squeeze(0).detach()
    numbers = (torch.arange(20_000) + 0.5) / 20_000
    chosen = TokenSampler.from_model(network).sample(hidden.expand(20_000, -1), numbers)
    assert (chosen.diff() >= 0).all()
    np.testing.assert_allclose(chosen.bincount(minlength=11) / 20_000, p, atol=1e-4)


@pytest.mark.parametrize("vocabulary", [1, 2, 3, 16, 17, 101])
def test_every_token_can_be_chosen_whatever_the_blocks(vocabulary: int) -> None:
    network = language_model(vocabulary)
    with torch.no_grad():
        network.vocabulary_w.zero_()
        network.vocabulary_b.zero_()
    numbers = (torch.arange(vocabulary) + 0.5) / vocabulary
    chosen = TokenSampler.from_model(network).sample(torch.zeros(vocabulary, 4), numbers)
    assert chosen.tolist() == list(range(vocabulary))


def test_sequences_come_as_often_as_they_are_likely() -> None:
    network = language_model(3, seed=5)
    count = 40_000
    samples = sample_sequences(network, SeededStream(0, "numbers", CPU).uniform(count, 3))
    everything = torch.cartesian_prod(*[torch.arange(3)] * 3)
    likely = nll(network, everything).sum(1).neg().exp()
    assert float(likely.sum()) == pytest.approx(1.0, abs=1e-5)
    names = samples @ torch.tensor([9, 3, 1])
    frequencies = names.bincount(minlength=27) / count
    deviations = (likely * (1 - likely) / count).sqrt()
    assert ((frequencies - likely).abs() < 4.5 * deviations + 1e-6).all()


def test_a_low_temperature_leaves_the_likeliest_token() -> None:
    network = language_model()
    tokens = sample_sequences(network, torch.rand(20, 5), temperature=1e-3)
    assert (tokens == tokens[0]).all()
    assert int(tokens[0, 0]) == int(network.logits(network.initial_state(1).hidden).argmax())


def test_after_the_end_there_is_nothing_but_the_end() -> None:
    network = language_model(4)
    tokens = sample_sequences(network, torch.rand(200, 9, generator=torch.Generator().manual_seed(0)), end=2)
    for row in tokens.tolist():
        if 2 in row:
            assert set(row[row.index(2) :]) == {2}
    there = token_mask(tokens, 2)
    for row, marks in zip(tokens.tolist(), there.tolist(), strict=True):
        length = row.index(2) + 1 if 2 in row else 9
        assert marks == [1.0] * length + [0.0] * (9 - length)


def test_sequence_discriminator_takes_tokens_and_their_one_hot_weights_alike() -> None:
    torch.manual_seed(0)
    discriminator = LSTM().discriminator(30, 20).eval()
    tokens = torch.randint(30, (6, 20))
    one_hot = torch.nn.functional.one_hot(tokens, 30).float()
    torch.testing.assert_close(discriminator(tokens), discriminator(one_hot), rtol=1e-4, atol=1e-4)
    assert discriminator(tokens).shape == (6,)


def test_windows_are_those_of_a_convolution() -> None:
    torch.manual_seed(0)
    discriminator = HighwayCNN(embedding=5, sizes=(1, 3), filters=(4, 6)).build(9, 7)
    embedded = torch.randn(2, 7, 5)
    expected = []
    for size, layer in zip((1, 3), discriminator.windows, strict=True):
        kernel = layer.weight.view(-1, size, 5).transpose(1, 2)
        expected.append(torch.nn.functional.conv1d(embedded.transpose(1, 2), kernel, layer.bias).relu().amax(2))
    torch.testing.assert_close(discriminator.features(embedded), torch.cat(expected, dim=1), rtol=1e-4, atol=1e-5)


def test_windows_longer_than_sequences_are_left_out() -> None:
    discriminator = HighwayCNN().build(9, 4)
    assert discriminator.sizes == (1, 2, 3, 4)
    with pytest.raises(ConfigError, match=r"architecture\.reader_model\.sizes: expected one <= 2"):
        HighwayCNN(sizes=(3,), filters=(4,)).build(9, 2)


def test_the_output_layer_alone_pays() -> None:
    discriminator = HighwayCNN(l2=0.2).build(9, 4)
    weights = torch.cat([discriminator.output.weight.flatten(), discriminator.output.bias])
    assert discriminator.penalty().item() == pytest.approx(0.1 * weights.square().sum().item())


@pytest.mark.parametrize(
    ("wrong", "key"),
    [({"sizes": ()}, "sizes"), ({"filters": (1,)}, "filters"), ({"keep": 0.0}, "keep"), ({"l2": -1.0}, "l2")],
)
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidValueError, match=key):
        HighwayCNN(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="hidden"):
        LSTM(hidden=0)


def test_fixed_point_sums_are_the_cumulative_sums_of_shares() -> None:
    p = torch.rand(50, 5000, generator=torch.Generator().manual_seed(0)).softmax(1)
    torch.testing.assert_close(fixed_point_sums(p), p.double().cumsum(1).float(), rtol=0, atol=1e-7)
