"""Films: frames at a steady rate, as an animated WebP or GIF, or as H.264 video by ffmpeg."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from gan_cli.config.extras import require_extra
from gan_cli.errors import ConfigError
from gan_cli.storage.files import replacing

# Milliseconds of the units in which formats state how long a frame is shown.
WEBP_UNIT, GIF_UNIT = 1, 10
# Viewers show frames of less than 20 ms in a GIF ten times as long.
MAX_GIF_RATE = 50
# Of ffmpeg's scale from 1 to 10: at 8 the edges of enlarged pixels stay sharp.
VIDEO_QUALITY = 8


def check_film(option: str, path: Path, rate: float) -> None:
    """Check, before anything is drawn, that a film can be written.

    Args:
        option: the option that names it, for the message.
        path: of the film.
        rate: frames in a second.

    Raises:
        ConfigError: its suffix is unknown, a package is missing, or the format has no such rate.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITERS:
        raise ConfigError(f"{option}: expected a name that ends in {', '.join(WRITERS)}, got {str(path)!r}")
    if suffix == ".mp4":
        require_extra(f"{option} {path}", "film")
    if suffix == ".gif" and rate > MAX_GIF_RATE:
        raise ConfigError(f"--fps: expected {MAX_GIF_RATE} at most in a GIF, got {rate:g}; .webp and .mp4 have more")


def write_film(frames: Sequence[Image.Image], path: Path, rate: float) -> None:
    """Write frames of one size as an endless film, or an MP4, atomically, in the format of the name.

    Args:
        frames: at least one.
        path: of the film, with a suffix that :func:`check_film` accepts.
        rate: frames in a second.

    Raises:
        OSError: it cannot be written.
    """
    with replacing(path) as temporary:
        WRITERS[path.suffix.lower()](frames, temporary, rate)


def durations(count: int, rate: float, unit: int) -> list[int]:
    """Return the milliseconds that each frame is shown, in whole units, whose sum has the error of a single one."""
    ends = [round(1000 * index / rate / unit) for index in range(count + 1)]
    return [unit * (end - start) for start, end in pairwise(ends)]


def _write_webp(frames: Sequence[Image.Image], path: Path, rate: float) -> None:
    first, *rest = [frame.convert("RGB") for frame in frames]
    times = durations(len(frames), rate, WEBP_UNIT)
    first.save(path, "WEBP", save_all=True, append_images=rest, duration=times, loop=0, lossless=True, quality=50)


def _write_gif(frames: Sequence[Image.Image], path: Path, rate: float) -> None:
    first, *rest = frames
    first.save(path, "GIF", save_all=True, append_images=rest, duration=durations(len(frames), rate, GIF_UNIT), loop=0)


def _write_mp4(frames: Sequence[Image.Image], path: Path, rate: float) -> None:
    import imageio_ffmpeg

    width, height = (side + side % 2 for side in frames[0].size)  # color has half the resolution: sides are even
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (width, height),
        fps=rate,
        codec="libx264",
        quality=VIDEO_QUALITY,
        macro_block_size=2,
        ffmpeg_log_level="error",
        output_params=["-f", "mp4", "-movflags", "+faststart"],
    )
    writer.send(None)
    try:
        for frame in frames:
            sheet = Image.new("RGB", (width, height), (255, 255, 255))
            sheet.paste(frame)
            writer.send(np.ascontiguousarray(sheet).tobytes())
    finally:
        writer.close()
    if not path.is_file() or not path.stat().st_size:
        raise OSError("ffmpeg has written no video")


WRITERS: Mapping[str, Callable[[Sequence[Image.Image], Path, float], None]] = {
    ".webp": _write_webp,
    ".gif": _write_gif,
    ".mp4": _write_mp4,
}
