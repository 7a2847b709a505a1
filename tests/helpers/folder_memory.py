"""Measures what loading a folder of pictures allocates, once another has been loaded.

``python -m tests.helpers.folder_memory ROOT SIZE BATCH WARM IMAGES``.

In a process of its own: ``tracemalloc`` counts the allocations of all threads, and other tests leave threads behind.
"""

from __future__ import annotations

import json
import sys
import tracemalloc

from gan_cli.data import image_decoding
from gan_cli.datasets.image_folder import ImageFolder

if __name__ == "__main__":
    root, size, batch, warm, images = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]
    image_decoding.BATCH_BYTES = batch
    ImageFolder(path=warm, root=root, size=32).load()  # what is imported and made only once
    tracemalloc.start()
    loaded = ImageFolder(path=images, root=root, size=size, workers=1).load()
    peak = tracemalloc.get_traced_memory()[1]
    print(json.dumps({"peak": peak, "shape": loaded.array.shape, "labelled": loaded.labels is not None}))
