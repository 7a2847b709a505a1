"""A job of a sweep begins as in a fresh process, whatever the jobs before it in the same process have changed."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import torch


@contextlib.contextmanager
def isolated_job() -> Iterator[None]:
    """Put every switch of the process and every random state back as it was, and let go of what the job held."""
    restorers = [
        _environment(),
        _random_states(),
        _torch_settings(),
        _loggers(),
    ]
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for restore in restorers:
            restore()
        _free_memory()


def _environment() -> Callable[[], None]:
    before = dict(os.environ)

    def restore() -> None:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)

    return restore


def _random_states() -> Callable[[], None]:
    python, numpy, host = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    # A job may be the first to use CUDA; its generators then begin, for the next one, as they did for it.
    devices = torch.cuda.get_rng_state_all() if _cuda_is_used() else None
    seed = torch.initial_seed()

    def restore() -> None:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002 - libraries may draw from it
        if devices is not None:
            torch.cuda.set_rng_state_all(devices)
        elif _cuda_is_used():
            torch.cuda.manual_seed_all(seed)
        torch.set_rng_state(host)

    return restore


def _torch_settings() -> Callable[[], None]:
    threads, dtype, gradients = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    products = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    flags = cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic

    def restore() -> None:
        torch.set_num_threads(threads)
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.set_float32_matmul_precision(products)
        cudnn.allow_tf32, cudnn.benchmark, cudnn.deterministic = flags

    return restore


def _loggers() -> Callable[[], None]:
    before = [
        (logger, logger.level, logger.propagate, list(logger.handlers))
        for logger in (logging.getLogger(), logging.getLogger("gan_cli"))
    ]

    def restore() -> None:
        for logger, level, propagate, handlers in before:
            logger.setLevel(level)
            logger.propagate = propagate
            logger.handlers[:] = handlers

    return restore


def _free_memory() -> None:
    """Free what nobody uses any more, on the host and on the device; compiled networks are forgotten."""
    # Always there once an optimizer was made; where it is not, to ask would be to import it, which takes seconds.
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    gc.collect()
    if _cuda_is_used():
        torch.cuda.empty_cache()


def _cuda_is_used() -> bool:
    """Whether the process has taken a GPU; to ask anything else of one would take it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
