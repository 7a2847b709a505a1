"""``python -m pytest -p tests.pretended_gpu.plugin -m gpu -n 0``: tests that need a GPU, on the pretended one."""

from __future__ import annotations

from tests.pretended_gpu.device import PretendedDevice
from tests.pretended_gpu.library import compiled

DEVICE = PretendedDevice(compiled())
