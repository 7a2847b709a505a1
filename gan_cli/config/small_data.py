"""Settings for a set of images by their number, for networks that start from nothing on a processor or a small GPU."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ImageSettings:
    """Settings of a run on so many images.

    Attributes:
        width: channels of a convolutional network's largest feature map. The fewer images, the sooner a wide D knows
            them by heart.
        batch_size: samples per update.
        steps: updates of G.
        half_life: of G's moving average, in steps: a tenth of the run or less.
        augmentation: probability of each of DiffAugment's changes: 1 up to a few thousand images (Zhao et al. 2020);
            the best one falls with their number (Karras et al. 2020, figure 5).
    """

    width: int
    batch_size: int
    steps: int
    half_life: int
    augmentation: float


# Up to how many images which settings hold; the first row is for minutes on two CPU cores at 32 pixels.
BY_NUMBER = (
    (2_000, ImageSettings(width=32, batch_size=64, steps=4_000, half_life=400, augmentation=1.0)),
    (20_000, ImageSettings(width=64, batch_size=64, steps=10_000, half_life=500, augmentation=0.5)),
)
MANY = ImageSettings(width=64, batch_size=64, steps=30_000, half_life=1_000, augmentation=0.2)


# Batch norm has no variance of fewer samples.
SMALLEST_BATCH = 2


def settings_for(images: int) -> ImageSettings:
    """Return the settings for a number of images: a batch has at most half of them, as up to half may be held out."""
    settings = next((settings for up_to, settings in BY_NUMBER if images <= up_to), MANY)
    power_of_two = 1 << max(0, (images // 2).bit_length() - 1)
    return replace(settings, batch_size=max(SMALLEST_BATCH, min(settings.batch_size, power_of_two)))
