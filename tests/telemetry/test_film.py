"""Films: read back, they have their frames, their size and their length."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gan_cli.config import extras
from gan_cli.errors import ConfigError
from gan_cli.telemetry.film import check_film, durations, write_film

needs_ffmpeg = pytest.mark.skipif(find_spec("imageio_ffmpeg") is None, reason="needs imageio-ffmpeg (extra `film`)")


def frames(count: int, mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> list[Image.Image]:
    """Frames of one level each, from black to white."""
    levels = np.linspace(0, 255, count).round().astype(int).tolist()
    return [Image.new(mode, size, level if mode == "L" else (level,) * 3) for level in levels]


@pytest.mark.parametrize("rate", [7, 12, 24, 30, 50])
@pytest.mark.parametrize("unit", [1, 10])
def test_durations_add_up(rate: int, unit: int) -> None:
    times = durations(3 * rate, rate, unit)
    assert sum(times) == pytest.approx(3000, abs=unit / 2)
    assert max(times) - min(times) <= unit
    assert all(time % unit == 0 for time in times)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_animation(suffix: str, mode: str, tmp_path: Path) -> None:
    film = tmp_path / f"film{suffix}"
    write_film(frames(15, mode), film, rate=30)
    with Image.open(film) as opened:
        assert (getattr(opened, "n_frames", 1), opened.size, opened.info["loop"]) == (15, (40, 30), 0)
        length = 0
        for index in range(15):
            opened.seek(index)
            opened.load()
            length += opened.info["duration"]
            assert abs(np.asarray(opened.convert("L")).mean() - 255 * index / 14) < 2
    assert length == 500
    assert [path.name for path in tmp_path.iterdir()] == [film.name]


@needs_ffmpeg
@pytest.mark.parametrize("size", [(40, 30), (41, 31)], ids=["even", "odd"])
def test_video(size: tuple[int, int], tmp_path: Path) -> None:
    import imageio_ffmpeg

    film = tmp_path / "film.mp4"
    write_film(frames(30, "L", size), film, rate=15)
    reader = imageio_ffmpeg.read_frames(str(film))
    facts = next(reader)
    shown = [np.frombuffer(frame, np.uint8).reshape(*facts["size"][::-1], 3) for frame in reader]
    assert len(shown) == 30
    assert facts["size"] == (size[0] + size[0] % 2, size[1] + size[1] % 2)  # a white edge, not a resized picture
    assert (facts["fps"], facts["codec"]) == (15, "h264")
    assert facts["duration"] == pytest.approx(2, abs=0.05)
    for index, frame in enumerate(shown):
        assert abs(frame[:30, :40].mean() - 255 * index / 29) < 6
    assert [path.name for path in tmp_path.iterdir()] == [film.name]


def test_mistakes_cost_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"--walk: expected a name that ends in \.webp, \.gif, \.mp4, got 'a\.avi'"):
        check_film("--walk", Path("a.avi"), 30)
    with pytest.raises(ConfigError, match="--fps: expected 50 at most in a GIF, got 60"):
        check_film("--walk", Path("a.gif"), 60)
    monkeypatch.setattr(extras, "find_spec", lambda package: None)
    with pytest.raises(ConfigError, match=r"--walk a\.mp4: this takes imageio-ffmpeg, not installed here: pip install"):
        check_film("--walk", Path("a.mp4"), 30)
    check_film("--walk", Path("a.GIF"), 30)
