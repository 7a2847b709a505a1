"""Charts of the claims: lines, legends, images and maps are where they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from benchmarks.claims import charts


def rendered(figure: Figure, path: Path) -> np.ndarray:
    charts.save(figure, path)
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_chart_draws_a_line_where_its_values_are(tmp_path: Path) -> None:
    figure, panels = charts.figure(curves=2)
    for panel in panels:
        panel.plot([0.0, 1.0], [1.0, 1.0], "red")
        charts.reference_line(panel, 0.0, "")
        panel.set_ylim(0.0, 2.0)
    pixels = rendered(figure, tmp_path / "chart.png")
    red = (pixels[:, :, 0] - pixels[:, :, 2] > 120).nonzero()
    assert pixels.shape[:2] == (310, pytest.approx(2 * 460, abs=1))  # as the release rounds inches
    assert red[0].max() - red[0].min() <= 3  # one height,
    assert red[0].mean() == pytest.approx(310 / 2, abs=15)  # half way up,
    assert len(set(red[1])) > 700  # and all along both panels


def test_legend_has_an_entry_for_each_label_not_for_each_seed() -> None:
    figure, (panel, image) = charts.figure(curves=1, images=1)
    for value in range(5):
        panel.plot([0, 1], [value, value], label="every seed")
        panel.plot([0, 1], [value, 0], label="other")
    charts.legend(panel)
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["every seed", "other"]
    assert figure.axes == [panel, image]


def test_images_keep_black_and_white_and_stand_upright(tmp_path: Path) -> None:
    figure, (panel,) = charts.figure(images=1)
    grey = np.array([[0, 255], [128, 128]], np.uint8)
    charts.show_image(panel, Image.fromarray(grey).convert("RGB"), "")
    pixels = rendered(figure, tmp_path / "image.png")[:, :, 0]
    height, width = pixels.shape
    assert pixels[height // 4, width // 4] == 0
    assert pixels[height // 4, 3 * width // 4] == 255
    assert pixels[3 * height // 4, width // 4] == pytest.approx(128, abs=2)


def test_maps_have_axes_and_one_bar_and_stand_upright() -> None:
    figure, panels = charts.figure(images=2)
    charts.show_maps(panels, {"p": np.tri(4), "D": np.zeros((4, 4))}, 2.2)
    assert [axes.get_ylabel() for axes in figure.axes] == ["", "", "D(x)"]
    (image,) = panels[0].get_images()
    assert (image.origin, list(image.get_extent()), image.get_clim()) == ("lower", [-2.2, 2.2, -2.2, 2.2], (0, 1))
