"""The pause of Python's garbage collector."""

from __future__ import annotations

import gc

import pytest

from gan_cli.cli.one_run import gc_paused


def fail() -> None:
    assert not gc.isenabled()
    with gc_paused():
        pass
    assert not gc.isenabled(), "an inner pause does not end the outer one"
    raise KeyError


def test_collector_rests_inside_and_works_again_after_even_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(KeyError), gc_paused():
        fail()
    assert gc.isenabled()


def test_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with gc_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
