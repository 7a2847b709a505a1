"""Loads a folder of pictures at a signal: ``python -m tests.helpers.folder_loader IMAGES ROOT READY START``."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gan_cli.datasets.image_folder import ImageFolder

if __name__ == "__main__":
    dataset = ImageFolder(path=sys.argv[1], root=sys.argv[2], size=32)
    Path(sys.argv[3]).touch()
    while not Path(sys.argv[4]).exists():
        time.sleep(0.005)
    print(int(dataset.load().array.sum(dtype="int64")))
