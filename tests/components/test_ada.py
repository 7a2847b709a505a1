"""Adaptive discriminator augmentation: each transformation against a plain reference, its probability and gradients."""

from __future__ import annotations

import colorsys
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gan_cli.components.ada import colour, corruption, geometry, wavelets
from gan_cli.components.ada.pipeline import Ada
from gan_cli.runtime.rng import SeededStream

CPU = torch.device("cpu")
TAPS = torch.tensor(wavelets.SYM6, dtype=torch.float64)
BANK = torch.tensor(wavelets.octave_bank())
SWITCHES = [*Ada.BLIT, *Ada.GEOMETRY, *Ada.COLOUR, "filter", "noise", "cutout"]


def only(*names: str, probability: float = 1.0) -> Ada:
    """A pipeline with these augmentations alone."""
    return Ada(probability=probability, **{name: name in names for name in SWITCHES})  # type: ignore[arg-type]


def stream(seed: int = 0) -> SeededStream:
    return SeededStream(seed, "test", CPU)


def noise(count: int = 3, channels: int = 3, height: int = 16, width: int = 12) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.rand(count, channels, height, width, generator=generator, dtype=torch.float64) * 2 - 1


def waves(height: int = 32, width: int = 24) -> Tensor:
    """An image without high frequencies, whose values between its pixels are known; symmetric at its borders."""
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return wave(rows.double(), columns.double(), height, width)[None, None]


def wave(rows: Tensor, columns: Tensor, height: int, width: int) -> Tensor:
    vertical, horizontal = math.pi * rows / (height - 1), math.pi * columns / (width - 1)
    return 0.5 * (vertical * 3).cos() + 0.3 * (horizontal * 2).cos() - 0.2 * vertical.cos() * horizontal.cos()


def identity(count: int) -> Tensor:
    return torch.eye(2, 3, dtype=torch.float64).repeat(count, 1, 1)


# ---- filters


def test_wavelets_are_orthogonal_to_their_even_shifts() -> None:
    for taps in (np.array(wavelets.SYM6), np.array(wavelets.SYM2)):
        assert taps.sum() == pytest.approx(math.sqrt(2))
        for shift in range(0, len(taps), 2):
            product = float(taps[shift:] @ taps[: len(taps) - shift])
            assert product == pytest.approx(float(shift == 0), abs=1e-11)


def test_octaves_add_up_and_hold_their_frequencies() -> None:
    bank = wavelets.octave_bank()
    delta = np.zeros(bank.shape[1])
    delta[len(delta) // 2] = 1
    np.testing.assert_allclose(bank.sum(0), delta, atol=1e-12)
    spectrum = np.abs(np.fft.rfft(bank, 1024, axis=1))
    strongest = spectrum.argmax(0)
    for octave, (low, high) in enumerate([(0, 40), (70, 110), (150, 220), (320, 512)]):
        assert set(strongest[low:high]) == {octave}


# ---- pixels moved


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_flips_and_turns_are_those_of_numpy(flip: bool, turns: int) -> None:
    images = noise(2, 3, 9, 9)
    moved = geometry.move_pixels(
        images, torch.tensor([flip, False]), torch.tensor([turns, 0]), torch.zeros(2, 2, dtype=torch.int64)
    )
    plain = images[0].numpy()
    expected = np.rot90(plain[:, :, ::-1] if flip else plain, turns, (1, 2))
    assert np.array_equal(moved[0].numpy(), expected)
    assert torch.equal(moved[1], images[1])


def test_shifts_show_the_mirror_image_beyond_the_border() -> None:
    images = noise(1)
    none = torch.zeros(1, dtype=torch.int64)
    moved = geometry.move_pixels(images, none.bool(), none, torch.tensor([[3, -2]]))
    padded = np.pad(images[0].numpy(), ((0, 0), (3, 0), (0, 2)), mode="reflect")
    assert np.array_equal(moved[0].numpy(), padded[:, :16, 2:])


def test_images_that_are_no_squares_are_turned_by_half_turns_alone() -> None:
    images = noise(200, 1)
    moved = only("quarter_turns")(images, stream())
    turned = [torch.equal(after, before.rot90(2, (1, 2))) for before, after in zip(images, moved, strict=True)]
    same = [torch.equal(after, before) for before, after in zip(images, moved, strict=True)]
    assert all(a != b for a, b in zip(turned, same, strict=True))
    assert np.mean(turned) == pytest.approx(0.5, abs=0.1)


def test_integer_shifts_reach_an_eighth_of_the_side() -> None:
    ramp = torch.arange(16.0).expand(1, 1, 16, 16).repeat(500, 1, 1, 1)
    moved = only("shift")(ramp, stream())
    found = (ramp - moved)[:, 0, 8, 8]
    assert set(found.tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}


# ---- warped


def test_warp_by_the_identity_is_the_image() -> None:
    images = noise()
    torch.testing.assert_close(geometry.warp(images, identity(3), TAPS), images, atol=1e-6, rtol=0)


def test_warp_by_whole_pixels_is_a_shift() -> None:
    images, sources = noise(), identity(3)
    sources[:, :, 2] = torch.tensor([2.0, -1.0])
    torch.testing.assert_close(geometry.warp(images, sources, TAPS)[:, :, 4:10, 4:8], images[:, :, 6:12, 3:7])


@pytest.mark.parametrize("angle", [0.0, 0.4, math.pi / 2, 3.0])
@pytest.mark.parametrize("scale", [0.8, 1.0, 1.3])
def test_warp_shows_the_value_at_the_place_that_a_pixel_comes_from(angle: float, scale: float) -> None:
    height, width = 32, 24
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    matrix, move = turn / scale, torch.tensor([0.7, -1.2], dtype=torch.float64)
    warped = geometry.warp(waves(height, width), torch.cat([matrix, move[:, None]], dim=1)[None], TAPS)[0, 0]
    rows, columns = torch.meshgrid(torch.arange(32.0).double(), torch.arange(24.0).double(), indexing="ij")
    centred = torch.stack([rows - 15.5, columns - 11.5])
    places = torch.einsum("ij,jhw->ihw", matrix, centred) + move[:, None, None]
    expected = wave(places[0] + 15.5, places[1] + 11.5, height, width)
    assert float((warped - expected).abs().mean()) < 0.01
    assert float((warped - expected)[12:20, 8:16].abs().max()) < 0.02


def test_factors_and_angles_are_drawn_as_in_the_paper() -> None:
    draws = only("scale", "rotation", "anisotropy")
    from gan_cli.components.ada.pipeline import _Draws

    matrices = draws._sources(_Draws(20_000, stream(), draws._p), 32, 32)[:, :, :2]
    singular = torch.linalg.svdvals(matrices)
    area, stretch = (singular.prod(1)).log2(), (singular[:, 0] / singular[:, 1]).log2()
    assert float(area.std()) == pytest.approx(2 * 0.2, rel=0.03)
    assert float(area.mean()) == pytest.approx(0, abs=0.02)
    assert float(stretch.mean()) == pytest.approx(2 * 0.2 * math.sqrt(2 / math.pi), rel=0.03)
    angles = torch.atan2(matrices[:, 1, 0] - matrices[:, 0, 1], matrices[:, 0, 0] + matrices[:, 1, 1])
    assert float((angles * 1j).exp().mean().abs()) < 0.03, "every direction alike"


# ---- colours


def test_brightness_contrast_and_luma_flip_of_grey_and_of_colours() -> None:
    for channels in (1, 3):
        images, amounts = noise(2, channels), torch.tensor([0.3, -0.2])
        each = amounts[:, None, None, None]
        torch.testing.assert_close(colour.recolour(images, colour.brightness(amounts)), images + each.double())
        torch.testing.assert_close(colour.recolour(images, colour.contrast(amounts)), images * each.double())
    grey = noise(1, 1).expand(1, 3, 16, 12)
    flip = colour.luma_flip(torch.tensor([True]))
    torch.testing.assert_close(colour.recolour(grey, flip), -grey, atol=1e-6, rtol=0)
    torch.testing.assert_close(colour.recolour(grey[:, :1], flip), -grey[:, :1], atol=1e-6, rtol=0)


def test_saturation_is_the_distance_from_grey() -> None:
    images = noise(1)
    grey = images.mean(1, keepdim=True)
    changed = colour.recolour(images, colour.saturation(torch.tensor([1.7])))
    torch.testing.assert_close(changed, grey + 1.7 * (images - grey), atol=1e-6, rtol=0)


def test_third_of_a_turn_of_hues_makes_green_of_red() -> None:
    red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    turned = colour.recolour(red, colour.hue_rotation(torch.tensor([2 * math.pi / 3])))
    torch.testing.assert_close(turned.flatten(), torch.tensor([0.0, 1.0, 0.0]), atol=1e-6, rtol=0)
    assert colorsys.rgb_to_hsv(*turned.flatten().tolist())[0] == pytest.approx(1 / 3)


def test_turned_hues_keep_grey_and_lengths() -> None:
    matrix = colour.hue_rotation(torch.tensor([0.7]))[0, :3, :3]
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(matrix @ torch.ones(3), torch.ones(3), atol=1e-6, rtol=0)


def test_alpha_and_further_channels_have_no_colour() -> None:
    images, hue = noise(1, 4), colour.hue_rotation(torch.tensor([1.0]))
    turned = colour.recolour(images, hue)
    assert torch.equal(turned[:, 3], images[:, 3])
    torch.testing.assert_close(turned[:, :3], colour.recolour(images[:, :3], hue))
    torch.testing.assert_close(colour.recolour(noise(1, 6), hue), noise(1, 6), atol=1e-6, rtol=0)


# ---- corruptions


def test_octaves_with_gains_of_1_are_the_image_and_of_0_are_missing() -> None:
    images = noise()
    whole = corruption.amplify_octaves(images, torch.ones(3, 4, dtype=torch.float64), BANK)
    torch.testing.assert_close(whole, images, atol=1e-12, rtol=0)
    flat = torch.ones(1, 1, 16, 16, dtype=torch.float64)
    gains = torch.tensor([[0.5, 3.0, 3.0, 3.0]], dtype=torch.float64)
    torch.testing.assert_close(corruption.amplify_octaves(flat, gains, BANK), 0.25 * flat)


def test_each_image_has_a_filter_of_its_own() -> None:
    images = noise(2, 3, 16, 16)
    gains = torch.tensor([[1, 2, 0.5, 0.3], [0.2, 1, 1, 2]], dtype=torch.float64)
    both = corruption.amplify_octaves(images, gains, BANK)
    for index in range(2):
        alone = corruption.amplify_octaves(images[index : index + 1], gains[index : index + 1], BANK)
        torch.testing.assert_close(both[index : index + 1], alone)
    taps = gains[0].numpy() @ wavelets.octave_bank()
    padded = np.pad(images[0, 0].numpy(), 21, mode="reflect")
    rows = np.apply_along_axis(lambda line: np.convolve(line, taps, "valid"), 0, padded)
    expected = np.apply_along_axis(lambda line: np.convolve(line, taps, "valid"), 1, rows)
    np.testing.assert_allclose(both[0, 0].numpy()[4:12, 4:12], expected[4:12, 4:12], atol=0.05)


def test_noise_has_the_deviation_of_the_paper() -> None:
    images = torch.zeros(2000, 1, 8, 8)
    changed = only("noise")(images, stream())
    assert float(changed.square().mean().sqrt()) == pytest.approx(0.1, rel=0.05)
    assert float(changed.flatten(1).std(1).std()) > 0.03, "of each image its own"


def test_cutout_blanks_a_square_of_half_the_side() -> None:
    images = torch.ones(500, 2, 16, 16)
    cut = only("cutout")(images, stream())
    sizes = set()
    for image in cut:
        blanked = (image == 0).all(0)
        rows, columns = int(blanked.any(1).sum()), int(blanked.any(0).sum())
        assert int(blanked.sum()) == rows * columns
        assert torch.equal(image == 0, blanked.expand(2, -1, -1))
        sizes.add((rows, columns))
    assert max(sizes) == (8, 8)


# ---- the pipeline


@pytest.mark.parametrize("name", SWITCHES)
def test_each_switch_changes_images_with_its_probability(name: str) -> None:
    images = torch.rand(4000, 3, 8, 8) * 2 - 1
    share = (only(name, probability=0.4)(images, stream()) - images).abs().flatten(1).amax(1).gt(1e-3).double().mean()
    # Half of the flips, a quarter of the turns and a few shifts change nothing; rotation has two chances.
    expected = {"flip": 0.2, "luma_flip": 0.2, "quarter_turns": 0.3, "shift": 0.4 * 3 / 4, "filter": 1 - 0.6**4}
    assert float(share) == pytest.approx(expected.get(name, 0.4), abs=0.035)


@pytest.mark.parametrize("name", SWITCHES)
def test_probability_of_0_changes_nothing(name: str) -> None:
    images = noise(4).float()
    torch.testing.assert_close(only(name, probability=0.0)(images, stream()), images, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_gradients_reach_the_images_twice(channels: int) -> None:
    few = noise(2, channels, 8, 8).requires_grad_()
    augment = Ada(probability=0.9, filter=True, cutout=True)
    assert torch.autograd.gradcheck(lambda x: augment(x, stream(1)), [few], fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda x: augment(x, stream(1)).square(), [few], fast_mode=True)


def test_draws_do_not_depend_on_the_images() -> None:
    first, second = stream(), stream()
    augment = Ada(probability=0.5, filter=True, noise=True, cutout=True)
    augment(torch.zeros(4, 3, 8, 8), first)
    augment(torch.ones(4, 3, 8, 8), second)
    assert torch.equal(first.get_state(), second.get_state())
