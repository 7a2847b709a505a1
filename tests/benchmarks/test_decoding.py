"""The benchmark of decoding counts all images, in processes of either version."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from benchmarks.decoding import decode, make_photos
from benchmarks.recipes import ROOT


def test_photos_are_decoded_in_a_process_of_their_own(tmp_path: Path) -> None:
    make_photos(tmp_path / "photos", 3, (60, 80))
    with Image.open(tmp_path / "photos" / "000.jpg") as photo:
        assert photo.size == (80, 60)
    measured = decode(ROOT, tmp_path / "photos", 16)
    assert measured.images == 3
    assert 0 < measured.processor < 60
    assert sorted(each.name for each in tmp_path.iterdir()) == ["photos"]
