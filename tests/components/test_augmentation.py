"""Augmentation: what each transformation may do to an image, its gradient, and the probability that adapts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gan_cli.components.augmentation import Adaptive, DiffAugment
from gan_cli.errors import InvalidValueError
from gan_cli.runtime.rng import SeededStream

COLOUR = DiffAugment(translation=0.0, cutout=0.0)
TRANSLATION = DiffAugment(colour=False, translation=0.25, cutout=0.0)
CUTOUT = DiffAugment(colour=False, translation=0.0, cutout=0.5)


def stream(seed: int = 0) -> SeededStream:
    return SeededStream(seed, "test", torch.device("cpu"))


def images(count: int = 64, channels: int = 3, side: int = 8) -> Tensor:
    return (
        torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(5), dtype=torch.float64) + 1
    )  # no pixel is 0


def test_translation_moves_whole_pixels_and_fills_with_grey() -> None:
    plain = images(400)
    moved = TRANSLATION(plain, stream())
    shifts = set()
    for before, after in zip(plain, moved, strict=True):
        found = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.equal(after, torch.nn.functional.pad(before, (2, 2, 2, 2))[:, 2 + dy : 10 + dy, 2 + dx : 10 + dx])
        ]
        assert len(found) == 1
        shifts.add(found[0])
    assert len(shifts) == 25  # every shift of up to a quarter of 8 pixels, along both axes


def test_cutout_blanks_one_rectangle_of_at_most_half_the_side() -> None:
    plain = images(400)
    cut = CUTOUT(plain, stream())
    sizes = set()
    for before, after in zip(plain, cut, strict=True):
        blanked = (after == 0).all(0)
        rows, columns = blanked.any(1).sum().item(), blanked.any(0).sum().item()
        assert blanked.sum() == rows * columns
        assert torch.equal(after[:, ~blanked], before[:, ~blanked])
        sizes.add((rows, columns))
    assert max(sizes) == (4, 4)
    assert min(row for row, _ in sizes) == 2  # half of it may lie outside


def test_colour_is_affine_with_one_brightness_saturation_and_contrast_an_image() -> None:
    plain = images(200)
    changed = COLOUR(plain, stream())
    for before, after in zip(plain, changed, strict=True):
        grey_before, grey_after = before.mean(0), after.mean(0)
        contrast = (grey_after - grey_after.mean()) / (grey_before - grey_before.mean())
        torch.testing.assert_close(contrast, contrast.mean().expand_as(contrast))
        assert 0.5 <= contrast.mean() <= 1.5
        assert abs(float(grey_after.mean() - grey_before.mean())) <= 0.5
        saturation = (after - grey_after) / (before - grey_before) / contrast.mean()
        torch.testing.assert_close(saturation, saturation.mean().expand_as(saturation))
        assert 0 <= saturation.mean() <= 2


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("augment", [COLOUR, TRANSLATION, CUTOUT, DiffAugment(), DiffAugment(probability=0.5)])
def test_gradient_reaches_the_images(augment: DiffAugment, channels: int) -> None:
    few = images(3, channels, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: augment(x, stream(1)), [few])
    assert torch.autograd.gradgradcheck(lambda x: augment(x, stream(1)).square(), [few])


def test_probability_is_that_of_each_transformation_for_each_image() -> None:
    plain = images(4000, 1, 4)
    moved = DiffAugment(colour=False, translation=0.0, cutout=0.5, probability=0.3)(plain, stream())
    share = (moved != plain).flatten(1).any(1).double().mean()
    assert float(share) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(DiffAugment(probability=0.0)(plain, stream()), plain)


def test_adaptive_probability_climbs_while_d_is_sure_of_real_images_and_falls_while_it_is_not() -> None:
    augment = Adaptive(target=0.6, every=4, images=1000)
    augment.place(torch.device("cpu"))
    sure, unsure = torch.ones(50), torch.tensor([1.0, -1.0]).repeat(25)
    for _ in range(3):
        augment.observe(sure)
    assert float(augment.metrics()["augment/p"]) == 0.0  # not yet
    augment.observe(sure)
    assert float(augment.metrics()["augment/p"]) == pytest.approx(4 * 50 / 1000)
    assert float(augment.metrics()["augment/overfitting"]) == 1.0
    for _ in range(40):
        augment.observe(sure)
    assert float(augment.metrics()["augment/p"]) == 1.0  # and no more
    for _ in range(8):
        augment.observe(unsure)
    assert float(augment.metrics()["augment/p"]) == pytest.approx(0.6)
    assert float(augment.metrics()["augment/overfitting"]) == 0.0


def test_adaptive_state_goes_on_where_it_was() -> None:
    whole, first, second = (Adaptive(every=4, images=1000) for _ in range(3))
    sure = torch.ones(50)
    for _ in range(6):
        whole.observe(sure)
        first.observe(sure)
    second.load_state_dict(first.state_dict())
    for _ in range(2):
        whole.observe(-sure)
        second.observe(-sure)
    assert second.metrics() == whole.metrics()
    assert float(whole.metrics()["augment/overfitting"]) == 0.0


@pytest.mark.parametrize(
    ("key", "value"),
    [("translation", 0.6), ("cutout", 1.0), ("probability", 1.1), ("target", 1.0), ("every", 0), ("images", 0)],
)
def test_impossible_settings_are_refused(key: str, value: float) -> None:
    with pytest.raises(InvalidValueError) as refused:
        Adaptive(**{key: value})
    assert refused.value.key == key
