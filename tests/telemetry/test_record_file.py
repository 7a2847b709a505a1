"""Framing of records, against the package tensorboard and published checksums."""

from __future__ import annotations

import numpy as np
import pytest
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c as reference_crc32c
from tensorboard.summary.writer.record_writer import RecordWriter

from gan_cli.telemetry.record_file import BLOCK, START, crc32c, framed


@pytest.mark.parametrize(
    ("content", "checksum"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),  # this one and those below: RFC 3720, appendix B.4
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_checksums_are_the_published_ones(content: bytes, checksum: int) -> None:
    assert crc32c(content) == checksum


def test_checksums_of_all_lengths_around_a_block_are_those_of_tensorboard() -> None:
    content = np.random.default_rng(0).bytes(3 * BLOCK)
    border = BLOCK - len(START)
    for length in [*range(9), *range(border - 2, border + 3), 2 * border, 3 * BLOCK]:
        assert crc32c(content[:length]) == reference_crc32c(content[:length]), length


def test_records_are_those_of_tensorboard() -> None:
    class Parts(list[bytes]):
        write = list.append

    for content in (b"", b"event", np.random.default_rng(0).bytes(1000)):
        parts = Parts()
        RecordWriter(parts).write(content)
        assert framed(content) == b"".join(parts)
