"""Isolation of the jobs of a sweep that run in one process: each starts as in a fresh one."""

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
    """Restore global settings and random states of the process afterwards, and free the memory that the job used."""
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
    # A job may be the first to use CUDA; the generators are then seeded for the next job as they were for this one.
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
        if torch.are_deterministic_algorithms_enabled() != deterministic:
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
    """Free unused memory of the host and the device, that of compiled networks included."""
    # Loaded once something was compiled; where it is not, torch.compiler.reset() would import it, which takes seconds.
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()
    gc.collect()
    if _cuda_is_used():
        torch.cuda.empty_cache()


def _cuda_is_used() -> bool:
    """Return whether the process has initialized CUDA; most other queries would initialize it."""
    return bool(torch.cuda.is_initialized())  # type: ignore[no-untyped-call]
