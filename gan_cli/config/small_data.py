"""Settings for images, and for the rows of a table, by their number: for a processor or a small GPU."""

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


@dataclass(frozen=True)
class TableSettings:
    """Settings of a run on the rows of a table.

    Attributes:
        batch_size: rows per update.
        steps: updates of G.
    """

    batch_size: int
    steps: int


# Up to how many rows which settings hold; with the first ones a run takes some ten seconds on a CPU core.
BY_ROWS = ((5_000, TableSettings(batch_size=64, steps=2_000)), (50_000, TableSettings(batch_size=128, steps=6_000)))
MANY_ROWS = TableSettings(batch_size=256, steps=10_000)


# Batch norm has no variance of fewer samples.
SMALLEST_BATCH = 2


def settings_for(images: int) -> ImageSettings:
    """Return the settings for a number of images."""
    settings = next((settings for up_to, settings in BY_NUMBER if images <= up_to), MANY)
    return replace(settings, batch_size=_limited(settings.batch_size, images))


def table_settings_for(rows: int) -> TableSettings:
    """Return the settings for a table of so many rows."""
    settings = next((settings for up_to, settings in BY_ROWS if rows <= up_to), MANY_ROWS)
    return replace(settings, batch_size=_limited(settings.batch_size, rows))


def _limited(batch_size: int, count: int) -> int:
    """Return a batch of at most half of the data, as up to half may be held out."""
    power_of_two = 1 << max(0, (count // 2).bit_length() - 1)
    return max(SMALLEST_BATCH, min(batch_size, power_of_two))
