"""Probes of CUDA graphs: a capture that fails, many kinds of steps in one pool, captures made anew."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu import runs
from benchmarks.gpu.probes.answer import DCGAN, DIGITS, FLOAT32, POINTS, Answer
from benchmarks.gpu.setting import Setting
from gan_cli.protocols.adversarial import Objective


class ReadsTheDevice:
    """Objective whose loss depends on a number that is read from the device: such a step cannot be captured."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the losses of D ``(N,)``, after waiting for the device."""
        losses = self._objective.d_loss(real, fake)
        return losses * (1.0 if float(losses.detach().mean()) > -1 else 2.0)


def failed_capture(setting: Setting) -> Iterator[Answer]:
    """Train with a step that cannot be captured, then another run in the same process, which can."""
    steps = range(6)
    for name, overrides in {"points": POINTS, "dcgan": DCGAN}.items():
        algorithm = runs.assemble(setting, *overrides)
        algorithm.objective = ReadsTheDevice(algorithm.objective)  # type: ignore[assignment]
        runs.advance(algorithm, steps)
        loss = algorithm.report().scalars["loss/d"]
        yield Answer(f"a step that cannot be captured runs eagerly: {name}", _is_finite(loss), {"loss": loss})
    if setting.device == "cuda":
        stream = torch.cuda.current_stream() == torch.cuda.default_stream()
        yield Answer("afterwards the default stream is current", bool(stream))
    drawn = float(torch.rand(1000, device=setting.device).mean())
    yield Answer("afterwards torch draws random numbers", 0.4 < drawn < 0.6, {"mean": drawn})
    other = runs.assemble(setting, *POINTS, "seed=1")
    runs.advance(other, steps)
    expected = 1 if setting.device == "cuda" else 0
    found = {"graphs": runs.graphs(other), "loss": other.report().scalars["loss/d"]}
    right = found["graphs"] == expected and _is_finite(found["loss"])
    yield Answer("afterwards another run is captured", right, found)


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")


def kinds_of_steps(setting: Setting) -> Iterator[Answer]:
    """Compare gradient norms of eager and captured steps of many kinds, whose graphs share a pool of memory."""
    penalties = (f"loss.penalty.{name}.every={every}" for name, every in (("r1", 2), ("r2", 3)))
    warmup = ("loss.warmup.enabled=true", "loss.warmup.first=3", "loss.warmup.every=7", "loss.warmup.d_steps=5")
    overrides = (*DIGITS, *FLOAT32, "loss=r3gan", *penalties, "loss.d_steps=2", *warmup)
    norms: list[list[dict[str, float]]] = []
    graphs = 0
    for mode in ("null", "false"):
        algorithm = runs.assemble(setting, *overrides, f"device.graph={mode}")
        graphs = max(graphs, runs.graphs(algorithm))
        norms.append([])
        for step in range(setting.pick(90, 8)):
            algorithm.update(step)
            norms[-1].append(dict(algorithm._gradient_norms()))
        graphs = max(graphs, runs.graphs(algorithm))
    off = max(
        abs(captured[tag] - eager[tag]) / max(abs(eager[tag]), 1e-3)
        for captured, eager in zip(*norms, strict=True)
        for tag in eager
    )
    yield Answer("many kinds of captured steps equal eager ones", off < 1e-2, {"graphs": graphs, "worst": off})


def captured_anew(setting: Setting) -> Iterator[Answer]:
    """Capture a step again and again, as rollbacks do: memory must not grow."""
    algorithm, held, step = runs.assemble(setting, *DCGAN, "noise=linear"), [], 0
    for _ in range(setting.pick(12, 2)):
        runs.advance(algorithm, range(step, step + 4))
        step += 4
        algorithm._captured_step.clear()
        algorithm.gradients = None
        runs.synchronize()
        held.append(0.0 if setting.device == "cpu" else torch.cuda.memory_reserved() / 2**20)
    yield Answer("steps captured anew keep to their memory", held[-1] <= held[len(held) // 2], {"reserved_mib": held})


def streamed(setting: Setting) -> Iterator[Answer]:
    """Capture steps while a thread gathers batches and asks the driver for page-locked memory."""
    for turn in range(setting.pick(4, 1)):
        overrides = (*DCGAN, "device.data=streamed", "conditional=true", f"seed={turn}", "loss.d_steps=3")
        algorithm = runs.assemble(setting, *overrides)
        runs.advance(algorithm, range(10))
        captured = runs.graphs(algorithm)
        algorithm.close()
        right = captured == (1 if setting.device == "cuda" else 0)
        yield Answer(f"captured while a thread gathers, seed {turn}", right, {"graphs": captured})


def replay_cost(setting: Setting) -> Iterator[Answer]:
    """Time replays of 20 launches with random generators registered, drawn from or not."""
    if setting.device == "cpu":
        return
    buffer = torch.zeros(16, device=setting.device)
    for count, draws in ((0, 0), (6, 0), (128, 0), (128, 128)):
        graph = torch.cuda.CUDAGraph()
        generators = [torch.Generator(setting.device).manual_seed(seed) for seed in range(count)]
        for generator in generators:
            graph.register_generator_state(generator)
        with torch.cuda.graph(graph, torch.cuda.graph_pool_handle(), torch.cuda.Stream(), "thread_local"):
            for _ in range(20):
                buffer.add_(1)
            for generator in generators[:draws]:
                buffer.uniform_(generator=generator)
        runs.seconds(graph.replay)
        spans = (runs.seconds(partial(replay, graph, 100)) for _ in range(3))
        yield Answer(
            f"a replay, {count} generators, {draws} drawn from", None, {"microseconds": 1e6 * min(spans) / 100}
        )


def replay(graph: torch.cuda.CUDAGraph, times: int) -> None:
    """Launch a graph a number of times."""
    for _ in range(times):
        graph.replay()
