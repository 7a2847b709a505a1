"""The latent space of a run from Python: the numbers of ``gan-sample``, and identities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

import gan_cli
from gan_cli.errors import ConfigError
from tests.conftest import Command

Trained = Callable[[str], gan_cli.Run]


def test_truncated_samples_are_those_of_the_command(trained: Trained, gan_sample: Command) -> None:
    run = trained("digits")
    assert gan_sample("digits", "--n", 5, "--truncation", 0.5, "--out", "samples.npy").status == 0
    samples = run.sample(5, truncation=0.5)
    assert np.array_equal(samples, np.load("samples.npy"))
    assert not np.array_equal(samples, run.sample(5))
    assert run.grid(5, truncation=0.5).tobytes() != run.grid(5).tobytes()


@pytest.mark.parametrize(("kind", "label"), [("digits", None), ("points", None), ("classes", 3)])
def test_interpolation_leads_from_one_sample_to_another(kind: str, label: int | None, trained: Trained) -> None:
    run = trained(kind)
    way = run.interpolate(4, 9, frames=5, label=label)
    assert way.shape == (5, *run.sample(1).shape[1:])
    np.testing.assert_allclose(way[:1], run.sample(1, seed=4, label=label), atol=1e-5)
    np.testing.assert_allclose(way[-1:], run.sample(1, seed=9, label=label), atol=1e-5)
    assert not np.allclose(way[2], way[0])


def test_interpolation_has_the_first_class_unless_another_is_named(trained: Trained) -> None:
    run = trained("classes")
    assert np.array_equal(run.interpolate(1, 2, frames=3), run.interpolate(1, 2, frames=3, label=0))
    assert not np.array_equal(run.interpolate(1, 2, frames=3), run.interpolate(1, 2, frames=3, label=1))


@pytest.mark.parametrize("kind", ["digits", "points"])
def test_samples_are_inverted_in_the_units_in_which_they_are_drawn(kind: str, trained: Trained) -> None:
    run = trained(kind)
    targets = run.sample(2, seed=3)
    found = run.invert(targets, starts=3, steps=60)
    assert found.latents.shape == (2, run.config.architecture.latent_dim)
    assert (found.distances.shape, found.start_distances.shape) == ((2,), (2, 3))
    before = np.abs(run.sample(2, seed=4) - targets).mean()
    assert np.abs(found.reconstructions - targets).mean() < before / 2
    one = run.invert(targets[0], starts=3, steps=60)
    np.testing.assert_allclose(one.latents, found.latents[:1], atol=1e-4)


def test_inversion_finds_the_label(trained: Trained) -> None:
    run = trained("classes")
    found = run.invert(run.sample(1, label=3), starts=2, steps=30)
    assert found.labels is not None
    assert found.labels.shape == (1,)
    assert run.invert(run.sample(1, label=3), label=5, starts=2, steps=3).labels == [5]


def test_directions_are_orthonormal(trained: Trained) -> None:
    found = trained("digits").directions(3, seed=1)
    np.testing.assert_allclose(found.vectors @ found.vectors.T, np.eye(3), atol=1e-5)
    assert sorted(found.shares, reverse=True) == list(found.shares)
    assert 0 < found.shares.sum() <= 1 + 1e-6
    assert len(trained("classes").directions(2, label=1).vectors) == 2


@pytest.mark.parametrize(
    ("kind", "call", "message"),
    [
        ("diffusion", lambda run: run.interpolate(1, 2), "interpolate: this takes a generator"),
        ("diffusion", lambda run: run.invert(run.sample(1)), "invert: this takes a generator"),
        ("diffusion", lambda run: run.directions(), "directions: this takes a generator"),
        ("diffusion", lambda run: run.sample(truncation=0.5), "truncation: this takes a generator"),
        ("digits", lambda run: run.sample(truncation=0), "truncation: expected a number > 0, got 0"),
        ("digits", lambda run: run.sample(truncation="half"), "truncation: expected a number > 0, got 'half'"),
        ("digits", lambda run: run.interpolate(-1, 2), "seed_a: expected an integer from 0"),
        ("digits", lambda run: run.interpolate(1, 2, frames=1), "frames: expected an integer from 2 to 10,000, got 1"),
        ("digits", lambda run: run.directions(1000), "k: expected an integer from 1 to 100, got 1000"),
        ("digits", lambda run: run.invert(np.zeros((2, 1, 9, 8))), r"images: expected an array \(N, 1, 8, 8\), .*9"),
        ("digits", lambda run: run.invert(np.zeros((0, 1, 8, 8))), r"images: expected an array \(N, 1, 8, 8\)"),
        ("digits", lambda run: run.invert(np.full((1, 8, 8), np.nan)), "images: expected finite numbers"),
        ("digits", lambda run: run.invert("photo.png"), r"images: expected an array \(N, 1, 8, 8\), .*, got str"),
        ("digits", lambda run: run.invert(torch.zeros(1, 8, 8), starts=0), "starts: expected an integer from 1"),
        ("classes", lambda run: run.interpolate(1, 2, label=11), "label: "),
    ],
)
def test_wrong_argument_costs_one_line(
    kind: str, call: Callable[[gan_cli.Run], object], message: str, trained: Trained
) -> None:
    with pytest.raises(ConfigError, match=f"^{message}") as raised:
        call(trained(kind))
    assert len(str(raised.value).splitlines()) == 1
