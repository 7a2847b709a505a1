"""The window of values between two reports: it keeps the latest rows and survives a checkpoint."""

from __future__ import annotations

import pytest
import torch

from gan_cli.algorithms import buffers
from gan_cli.algorithms.buffers import RingBuffer

CPU = torch.device("cpu")


def filled(rows: int, *values: float) -> RingBuffer:
    ring_buffer = RingBuffer(rows, 2, CPU)
    for value in values:
        ring_buffer.add(torch.full((1, 2), float(value)))
    return ring_buffer


def rows_of(ring_buffer: RingBuffer) -> list[float]:
    """The rows, each of one repeated value, in order of value."""
    values = ring_buffer.values()
    assert torch.equal(values[:, 0], values[:, 1])
    return sorted(values[:, 0].tolist())


def test_ring_buffer_holds_what_was_added_and_nothing_else() -> None:
    assert filled(4).values().shape == (0, 2)
    assert rows_of(filled(4, 1, 2, 3)) == [1, 2, 3]


def test_oldest_rows_make_room() -> None:
    assert rows_of(filled(3, 1, 2, 3, 4, 5, 6, 7, 8)) == [6, 7, 8]


def test_clear_starts_over() -> None:
    ring_buffer = filled(3, 1, 2, 3, 4)
    ring_buffer.clear()
    assert rows_of(ring_buffer) == []
    ring_buffer.add(torch.full((1, 2), 9.0))
    assert rows_of(ring_buffer) == [9]


def test_rows_are_copies_without_a_graph() -> None:
    ring_buffer, values = RingBuffer(2, 2, CPU), torch.ones(1, 2, requires_grad=True)
    ring_buffer.add(values * 2)
    with torch.no_grad():
        values.zero_()
    assert ring_buffer.values().tolist() == [[2.0, 2.0]]
    assert not ring_buffer.values().requires_grad


@pytest.mark.parametrize("added", [0, 2, 3, 5])
def test_restored_ring_buffer_continues_as_if_there_had_been_no_stop(added: int) -> None:
    before = filled(3, *range(added))
    after = filled(3, 70, 80, 90, 100)
    after.load_state_dict(before.state_dict())
    assert torch.equal(after.values(), before.values())
    for ring_buffer in (before, after):
        ring_buffer.add(torch.full((1, 2), 50.0))
    assert torch.equal(after.values(), before.values())


def test_stored_state_does_not_change_with_the_window() -> None:
    ring_buffer = filled(3, 1, 2)
    state = ring_buffer.state_dict()
    ring_buffer.clear()
    ring_buffer.add(torch.full((1, 2), 9.0))
    assert state["values"].tolist() == [[1, 1], [2, 2]]


@pytest.mark.parametrize(("rows", "kept"), [(5, 3), (2, 2)])
def test_state_of_another_size_loads_what_there_is_room_for(rows: int, kept: int) -> None:
    """A resumed run may report more often or less often than before."""
    ring_buffer = RingBuffer(rows, 2, CPU)
    ring_buffer.load_state_dict(filled(3, 1, 2, 3, 4, 5).state_dict())
    assert len(rows_of(ring_buffer)) == kept
    assert set(rows_of(ring_buffer)) <= {3, 4, 5}
    ring_buffer.add(torch.full((1, 2), 6.0))
    assert 6 in rows_of(ring_buffer)


def test_rows_that_come_together_are_those_that_come_one_by_one() -> None:
    for count in (1, 2, 3, 7):
        together, single = RingBuffer(3, 2, CPU), RingBuffer(3, 2, CPU)
        for start in range(0, 4 * count, count):
            rows = torch.arange(start, start + count).float()[:, None].expand(count, 2)
            together.add(rows)
            for row in rows:
                single.add(row[None])
        assert rows_of(together) == rows_of(single)


def test_memory_is_bounded_however_rarely_one_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffers, "CAPACITY", 8)
    ring_buffer = filled(10**9, *range(20))
    assert rows_of(ring_buffer) == [16, 17, 18, 19]
    assert len(RingBuffer(5, 100, CPU)._buffer) == 1
