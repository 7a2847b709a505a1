"""The game around the objective: penalties and their laziness, classes, packs, the best of a batch, augmentation."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_cli.algorithms.gan.statistics import top_mean
from gan_cli.algorithms.gan.trainer import GANTrainer
from gan_cli.config.compose import compose, register
from gan_cli.protocols.data import Batch, Images
from gan_cli.training import planning
from tests.conftest import SHORT, Command
from tests.helpers.gans import assembled

TINY_PLANE = (
    "dataset=ring8",
    "train.batch_size=8",
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
)
TINY_DIGITS = (
    "dataset=digits",
    "architecture=mlp",
    "train.batch_size=8",
    "architecture.generator_hidden=[8]",
    "architecture.discriminator_hidden=[8]",
)


def weights(network: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).clone()


def after(steps: int, algorithm: GANTrainer) -> Tensor:
    for step in range(steps):
        algorithm.update(step)
    return torch.cat([weights(algorithm.generator), weights(algorithm.discriminator)])


# ---- penalties


@pytest.mark.parametrize("objective", ["jsd", "minimax", "wgan", "lsgan", "hinge", "rgan"])
@pytest.mark.parametrize("penalty", ["r1", "r2", "roth", "gradient", "dragan", "[r1,r2]"])
def test_every_penalty_composes_with_every_objective(objective: str, penalty: str) -> None:
    algorithm = assembled(*TINY_PLANE, f"loss={objective}", f"loss/penalty={penalty}")
    after(2, algorithm)
    report = algorithm.report()
    assert report.scalars["loss/penalty"] > 0
    assert np.isfinite(list(report.scalars.values())).all()


def test_penalty_moves_d_and_is_reported_apart_from_its_loss() -> None:
    plain, penalised = (assembled(*TINY_PLANE, *more) for more in ([], ["loss/penalty=r1"]))
    first, second = after(1, plain), after(1, penalised)
    assert not torch.equal(first, second)
    of_plain, of_penalised = plain.report().scalars, penalised.report().scalars
    assert of_plain["loss/d"] == of_penalised["loss/d"]
    assert "loss/penalty" not in of_plain


def test_lazy_penalty_is_due_every_so_many_d_updates_and_counts_as_much_more() -> None:
    gradients = []
    for every in (1, 4):
        algorithm = assembled(*TINY_PLANE, "loss/penalty=r1", f"loss.penalty.r1.every={every}")
        plain = assembled(*TINY_PLANE)
        after(1, algorithm)
        after(1, plain)
        own, bare = (
            torch.cat([p.grad.flatten() for p in a.discriminator.parameters() if p.grad is not None])
            for a in (algorithm, plain)
        )
        gradients.append(own - bare)
    torch.testing.assert_close(gradients[1], 4 * gradients[0], rtol=1e-4, atol=1e-6)
    lazy = assembled(*TINY_PLANE, "loss/penalty=r1", "loss.penalty.r1.every=4")
    after(9, lazy)
    assert len(lazy.ring_buffers["penalty"].values()) == 3  # updates 0, 4 and 8


def test_anneal_multiplies_all_penalties() -> None:
    shrinking = ["loss/anneal=linear", "loss.anneal.start=1", "loss.anneal.end=0", "loss.anneal.steps=2"]
    algorithm = assembled(*TINY_PLANE, "loss/penalty=[r1,r2]", *shrinking)
    values = []
    for step in range(3):
        algorithm.update(step)
        values.append(algorithm.report().scalars["loss/penalty"])
    assert values[0] > 0
    assert values[2] == 0


def test_wgan_gp_makes_five_d_steps_without_clipping_and_with_the_papers_optimizer() -> None:
    register()
    plan = planning.plan(compose(["loss=wgan_gp"]).config)
    (penalty,) = plan.loss.penalties.values()
    assert (penalty.weight, penalty.target, penalty.one_sided) == (10.0, 1.0, False)
    assert plan.loss.constraint is None
    assert plan.loss.d_steps.regular == plan.loss.d_steps.largest == 5
    options = plan.optimizer.for_generator([torch.zeros(1, requires_grad=True)]).optimizer.param_groups[0]
    assert (options["lr"], options["betas"]) == (1e-4, (0.0, 0.9))


def test_batch_norm_under_a_penalty_is_warned_about(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("gan_cli"), "propagate", True)
    register()
    planning.plan(compose(["dataset=mnist", "loss=wgan_gp", "architecture=dcgan"]).config)
    assert "batch norm" not in caplog.text
    planning.plan(compose(["dataset=mnist", "loss=wgan_gp", "architecture=dcgan", "architecture.norm_d=batch"]).config)
    assert "architecture.norm_d" in caplog.text


# ---- relativistic pairing


def test_g_of_a_relativistic_objective_sees_fresh_real_samples() -> None:
    for loss, batches in (("rgan", 6), ("jsd", 3)):
        algorithm = assembled(*TINY_PLANE, f"loss={loss}")
        after(3, algorithm)
        assert algorithm.images_seen == batches * 8


# ---- the best of a batch


def test_top_mean_is_the_mean_over_those_that_d_likes_most() -> None:
    losses, logits = torch.tensor([1.0, 2.0, 4.0, 8.0]), torch.tensor([0.3, -1.0, 5.0, 0.1])
    for share, expected in ((1.0, 15 / 4), (0.75, 13 / 3), (0.5, 5 / 2), (0.25, 4.0), (0.01, 4.0)):
        assert float(top_mean(losses, logits, torch.tensor(share))) == pytest.approx(expected)


def test_top_k_changes_the_generators_step_alone() -> None:
    half = ["loss/top_k=exponential", "loss.top_k.start=0.5"]
    whole, best = assembled(*TINY_PLANE), assembled(*TINY_PLANE, *half)
    after(1, whole)
    after(1, best)
    assert torch.equal(weights(whole.discriminator), weights(best.discriminator))
    assert not torch.equal(whole.generator.body[0].weight.grad, best.generator.body[0].weight.grad)


# ---- packs


@pytest.mark.parametrize("pac", [2, 4])
def test_d_scores_packs_of_neighbours(pac: int) -> None:
    algorithm = assembled(*TINY_PLANE, f"pac={pac}")
    seen: list[Tensor] = []
    algorithm.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    after(1, algorithm)
    together, of_g = seen
    assert together.shape == (2 * 8 // pac, 2 * pac)
    assert of_g.shape == (8 // pac, 2 * pac)
    pixels = torch.arange(8 * 3 * 2 * 2).reshape(8, 3, 2, 2)
    packed = algorithm.pipeline._pack(pixels)
    assert packed.shape == (8 // pac, 3 * pac, 2, 2)
    assert torch.equal(packed[0, 3:6], pixels[1])


def test_packs_of_images_are_augmented_one_by_one() -> None:
    algorithm = assembled(*TINY_DIGITS, "pac=2", "augment=diffaugment")
    after(2, algorithm)
    assert algorithm.report().scalars["loss/d"] > 0


# ---- classes


def labelled(algorithm: GANTrainer) -> list[tuple[Tensor, Tensor]]:
    """(samples, labels) of every batch that D sees from now on."""
    seen: list[tuple[Tensor, Tensor]] = []
    algorithm.discriminator.register_forward_pre_hook(lambda _, inputs: seen.append((inputs[0], inputs[1])))
    return seen


def test_d_sees_every_real_image_with_its_own_label() -> None:
    algorithm = assembled(*TINY_DIGITS, "conditional=true")
    register()
    source = planning.plan(compose(list(TINY_DIGITS)).config).dataset.load()
    assert isinstance(source, Images)
    assert source.labels is not None
    known = {row.tobytes(): label for row, label in zip(source.array, source.labels, strict=True)}
    seen = labelled(algorithm)
    after(5, algorithm)
    for samples, labels in seen[::2]:  # D's turns; G's are between them
        real = ((samples[:8] + 1) * 127.5).round().to(torch.uint8).numpy()
        assert [known[row.tobytes()] for row in real] == labels[:8].tolist()
        assert torch.equal(labels[:8], labels[8:])  # generated ones are paired by class


def test_labels_of_g_are_as_frequent_as_in_the_data() -> None:
    algorithm = assembled(*TINY_DIGITS, "conditional=true", "train.batch_size=1000")
    algorithm._labels = torch.tensor([3] * 90 + [7] * 10)
    drawn = algorithm._sample_labels()
    assert drawn is not None
    assert set(drawn.tolist()) == {3, 7}
    assert float((drawn == 3).float().mean()) == pytest.approx(0.9, abs=0.04)


@pytest.mark.parametrize("architecture", ["mlp", "dcgan", "resnet", "r3gan"])
def test_class_changes_what_g_draws_and_what_d_says(architecture: str) -> None:
    widths = {
        "mlp": ["architecture.generator_hidden=[8]"],
        "dcgan": ["architecture.width=4"],
        "resnet": ["architecture.width_g=4", "architecture.width_d=4"],
        "r3gan": ["architecture.width=4", "architecture.cardinality=2"],
    }
    chosen = ["dataset=digits", f"architecture={architecture}", *widths[architecture], "train.batch_size=8"]
    algorithm = assembled(*chosen, "conditional=true", "optimizer.lr=0.01")
    after(6, algorithm)
    z = torch.randn(1, algorithm.latent_dim).expand(10, -1)
    algorithm.generator.eval()
    algorithm.discriminator.eval()
    with torch.no_grad():
        drawn = algorithm.generator(z, torch.arange(10))
        scored = algorithm.discriminator(drawn[:1].expand(10, -1, -1, -1), torch.arange(10))
    assert len({tuple(image.flatten().tolist()) for image in drawn}) == 10
    assert len(set(scored.tolist())) == 10


def test_preview_has_one_row_a_class_and_one_latent_a_column() -> None:
    algorithm = assembled(*TINY_DIGITS, "conditional=true", "train.sample_count=64")
    preview = algorithm.preview()
    assert preview.samples.shape == (60, 1, 8, 8)
    assert preview.columns == 6
    assert preview.row_names == [f"class {label}" for label in range(10)]
    latents, labels = algorithm._preview_sampler._inputs
    latents = latents.reshape(10, 6, -1)
    assert torch.equal(latents[0], latents[9])
    assert labels.reshape(10, 6)[:, 0].tolist() == list(range(10))


def test_gan_sample_draws_the_class_it_is_asked_for(gan_train: Command, gan_sample: Command) -> None:
    run = (*SHORT, "architecture=mlp", "architecture.generator_hidden=[8]", "conditional=true", "hydra.run.dir=run")
    assert gan_train(*run, "train.batch_size=64").status == 0
    assert gan_sample("run", "--n", 20, "--out", "all.npy").status == 0
    assert gan_sample("run", "--n", 20, "--label", 3, "--out", "three.npy").status == 0
    everything, threes = np.load("all.npy"), np.load("three.npy")
    np.testing.assert_array_equal(everything[6:8], threes[6:8])  # two of each class, in turn
    assert not np.array_equal(everything[8:10], threes[8:10])
    for label in (-1, 10):
        refused = gan_sample("run", "--label", label, "--out", "none.npy")
        assert refused.status == 2
        assert f"--label: expected an integer from 0 to 9, got {label}" in refused.err
    assert gan_sample("run", "--label", 3, "--walk", "walk.webp").status == 0
    assert not Path("none.npy").exists()


def test_gan_sample_refuses_a_label_where_there_are_none(gan_train: Command, gan_sample: Command) -> None:
    assert gan_train(*SHORT, "architecture=mlp", "hydra.run.dir=run").status == 0
    refused = gan_sample("run", "--label", 3)
    assert refused.status == 2
    assert "--label: this run was trained without classes" in refused.err


def test_images_without_class_folders_are_refused_before_anything_is_written(
    gan_train: Command, workplace: Path, tmp_path: Path
) -> None:
    from PIL import Image

    (tmp_path / "flat").mkdir()
    for index in range(4):
        Image.new("L", (8, 8), index).save(tmp_path / "flat" / f"{index}.png")
    data = ("dataset=image_folder", f"dataset.path={tmp_path / 'flat'}", "dataset.size=8", "dataset.channels=1")
    done = gan_train(*SHORT, *data, "conditional=true", "architecture.width=4")
    assert done.status == 2
    assert "conditional: expected false, because these data of ImageFolder have no labels" in done.err
    assert list(workplace.iterdir()) == []


# ---- resume, bitwise equal, with everything at once


@pytest.mark.parametrize(
    "chosen",
    [
        ("loss=r3gan", "loss.penalty.r1.every=3", "loss/anneal=cosine", "loss/top_k=exponential", "augment=ada"),
        ("loss=wgan_gp", "loss.d_steps=2", "conditional=true", "augment=diffaugment", "noise=linear"),
        ("loss=dragan", "pac=2", "augment=ada", "architecture.spectral_norm=true"),
    ],
    ids=["r3gan", "conditional", "packs"],
)
def test_restored_state_continues_bitwise_equal(chosen: tuple[str, ...]) -> None:
    whole, first, second = (assembled(*TINY_DIGITS, "train.steps=6", *chosen) for _ in range(3))
    expected = after(6, whole)
    after(4, first)
    second.load_state_dict(first.state_dict())
    for step in (4, 5):
        second.update(step)
    found = torch.cat([weights(second.generator), weights(second.discriminator)])
    assert torch.equal(found, expected)
    assert second.report().scalars == whole.report().scalars


def test_probing_a_run_changes_nothing() -> None:
    chosen = (*TINY_PLANE, "architecture.spectral_norm=true", "architecture.norm_d=batch")
    looked, other = assembled(*chosen), assembled(*chosen)
    for algorithm in (looked, other):
        algorithm.update(0)
    before = {name: value.clone() for name, value in looked.discriminator.state_dict().items()}
    plane = looked.preview().plane
    assert plane is not None
    assert plane.surface is not None
    for name, value in looked.discriminator.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert torch.equal(after(2, looked), after(2, other))


def test_samplers_hand_out_labels_only_where_somebody_asks() -> None:
    for conditional, asked in (("true", True), ("false", False)):
        sampler = assembled(*TINY_DIGITS, f"conditional={conditional}").sampler
        sampler.prepare(1)
        batch = sampler.take(1)
        assert isinstance(batch, Batch)
        assert (batch.labels is not None) is asked
