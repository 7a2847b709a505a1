"""Instance noise: of the size that the tensor says, and on real and generated samples alike."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.components.noise import add_noise
from gan_cli.config.compose import compose, register
from gan_cli.protocols.data import Batch
from gan_cli.runtime.rng import SeededStream
from gan_cli.training import builder, planning

CPU = torch.device("cpu")


def stream(seed: int = 0) -> SeededStream:
    return SeededStream(seed, "noise", CPU)


@pytest.mark.parametrize("sigma", [0.1, 2.0])
def test_noise_is_gaussian_with_deviation_sigma(sigma: float) -> None:
    samples = torch.linspace(-1, 1, 200_000).reshape(2, -1, 10)
    added = add_noise(samples, torch.tensor(sigma), stream()) - samples
    scaled = (added / sigma).flatten()
    assert abs(float(scaled.mean())) < 0.02
    assert float(scaled.std()) == pytest.approx(1.0, abs=0.01)
    assert float((scaled.abs() < 1).float().mean()) == pytest.approx(0.6827, abs=0.01)


def test_sigma_0_changes_nothing_and_the_samples_are_left_alone() -> None:
    samples = torch.randn(4, 1, 3, 3)
    before = samples.clone()
    assert torch.equal(add_noise(samples, torch.tensor(0.0), stream()), before)
    add_noise(samples, torch.tensor(1.0), stream())
    assert torch.equal(samples, before)


def test_noise_is_a_function_of_its_stream_and_not_of_the_global_one() -> None:
    samples, sigma = torch.zeros(64), torch.tensor(1.0)
    torch.manual_seed(1)
    first = add_noise(samples, sigma, stream())
    torch.manual_seed(2)
    assert torch.equal(add_noise(samples, sigma, stream()), first)
    assert not torch.equal(add_noise(samples, sigma, stream(seed=1)), first)


def test_gradient_passes_to_the_samples_unchanged() -> None:
    samples = torch.zeros(5, requires_grad=True)
    (add_noise(samples, torch.tensor(3.0), stream()) * torch.arange(5)).sum().backward()
    assert samples.grad is not None
    assert torch.equal(samples.grad, torch.arange(5.0))


def test_training_puts_the_noise_of_the_step_on_real_and_on_generated_samples() -> None:
    register()
    overrides = ["dataset=ring8", "device=cpu", "train.batch_size=4096", "architecture.generator_hidden=[4]"]
    noise = ["noise=linear", "noise.start=0.5", "noise.end=0.1", "noise.steps=2"]
    algorithm = builder.assemble(planning.plan(compose([*overrides, *noise]).config))
    assert isinstance(algorithm, GANTrainer)
    clean: list[Tensor] = []
    noisy: list[Tensor] = []
    draw = algorithm.sampler.take

    def spied(batches: int) -> Batch:
        batch = draw(batches)
        clean.append(batch.samples)
        return batch

    def saw(module: nn.Module, arguments: tuple[Tensor], *output: Tensor) -> None:
        noisy.extend(arguments[0].detach().split(4096))  # real and generated ones in one pass

    algorithm.sampler.take = spied
    algorithm.generator.register_forward_hook(lambda module, arguments, output: clean.append(output.detach()))
    algorithm.discriminator.register_forward_pre_hook(saw)
    for step, sigma in enumerate([0.5, 0.3, 0.1, 0.1]):
        clean.clear()
        noisy.clear()
        algorithm.update(step)
        assert len(clean) == len(noisy) == 3  # real and fake for D, fake for G
        added = [b - a for a, b in zip(clean, noisy, strict=True)]
        assert [float(difference.std()) for difference in added] == pytest.approx([sigma] * 3, rel=0.05)
        assert not torch.equal(added[0], added[1])
