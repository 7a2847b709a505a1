"""One step of the reverse process, described for export: the loop over the steps is in the model card."""

from __future__ import annotations

from typing import Any

import torch

from gan_cli.algorithms.diffusion.inference import TrainedDenoiser
from gan_cli.algorithms.diffusion.reverse import DeterministicStep, NoisyStep
from gan_cli.inference.class_labels import describe_classes
from gan_cli.inference.exportable import (
    NUM_SAMPLES,
    TRACE_BATCH,
    ExportableNetwork,
    NetworkInput,
    samples_comment,
    value_range,
)
from gan_cli.protocols.data import class_names


def exportable_step(trained: TrainedDenoiser) -> ExportableNetwork:
    """Describe one denoising step, its constants included, for export."""
    settings, shape = trained.settings, trained.dataset.shape
    kind = DeterministicStep if settings.reverse.deterministic else NoisyStep
    sizes = ", ".join(map(str, shape))
    conditional = f"class-conditional: {trained.classes} classes" if trained.classes else "unconditional"
    return ExportableNetwork(
        network=settings.reverse_steps(kind, trained.network, shape, trained.classes).eval(),
        inputs=_inputs(trained),
        output="earlier",
        output_about=f"`(N, {sizes})`, float32: x at the next, less noisy timestep; after the last step samples,"
        f" {value_range(trained.dataset)}",
        dataset=trained.dataset,
        step=trained.step,
        kind="denoising step",
        builder="denoiser",
        title="Denoising step of a diffusion model",
        about=f"One step of the reverse process of a diffusion model, {conditional}; {_sampler(trained)}",
        torch_code=_torch_code(trained),
        onnx_code=_onnx_code(trained),
        metadata=_metadata(trained),
        rows={"steps": f"{settings.sampling_steps}, from x_T of N(0, I) to a sample"},
    )


def _sampler(trained: TrainedDenoiser) -> str:
    """Describe the sampler in a clause."""
    settings = trained.settings
    guided = f", with a guidance scale of {settings.guidance:g}" if trained.classes else ""
    return (
        f"the network predicts {settings.prediction.value}, and a sample takes {settings.sampling_steps} steps of"
        f" {trained.facts['sampler']}, over {settings.timesteps} timesteps of {trained.facts['schedule']}{guided}"
    )


def _metadata(trained: TrainedDenoiser) -> dict[str, Any]:
    return {
        "shape": list(trained.dataset.shape),
        "classes": trained.classes,
        "prediction": trained.settings.prediction.value,
        "timesteps": trained.settings.timesteps,
        "sampling_steps": trained.settings.sampling_steps,
    }


def _inputs(trained: TrainedDenoiser) -> list[NetworkInput]:
    shape, steps = trained.dataset.shape, trained.settings.sampling_steps
    sizes = ", ".join(map(str, shape))
    example = torch.linspace(-2, 2, TRACE_BATCH * int(torch.Size(shape).numel())).reshape(TRACE_BATCH, *shape)
    about = f"`(N, {sizes})`, float32: noise of N(0, I) for step 0, then the result of the step before; any N >= 1"
    number = f"`(N,)`, int64: number of the step, from 0 to {steps - 1}"
    inputs = [
        NetworkInput("x", example, about),
        NetworkInput("step", torch.full((TRACE_BATCH,), steps // 2), number),
    ]
    if not trained.settings.reverse.deterministic:
        inputs.append(NetworkInput("noise", example.flip(0), f"`(N, {sizes})`, float32, fresh from N(0, I)"))
    if trained.classes:
        about = f"`(N,)`, int64, {describe_classes(trained.classes, class_names(trained.data))}"
        inputs.append(NetworkInput("labels", torch.zeros(TRACE_BATCH, dtype=torch.int64), about))
    return inputs


def _torch_code(trained: TrainedDenoiser) -> list[str]:
    noise = [] if trained.settings.reverse.deterministic else ["torch.randn_like(x)"]
    labels = ["labels"] if trained.classes else []
    arguments = ", ".join(["x", f"torch.full(({NUM_SAMPLES},), step)", *noise, *labels])
    return [
        f"x = torch.randn({', '.join(map(str, (NUM_SAMPLES, *trained.dataset.shape)))})",
        *([f"labels = torch.arange({NUM_SAMPLES}) % {trained.classes}"] if labels else []),
        f"for step in range({trained.settings.sampling_steps}):",
        f"    x = network({arguments})",
        f"samples = x  {samples_comment(trained.dataset)}",
    ]


def _onnx_code(trained: TrainedDenoiser) -> list[str]:
    shape = ", ".join(map(str, (NUM_SAMPLES, *trained.dataset.shape)))
    feed = ['"x": x', f'"step": np.full({NUM_SAMPLES}, step)']
    if not trained.settings.reverse.deterministic:
        feed.append('"noise": random.standard_normal(x.shape, dtype=np.float32)')
    if trained.classes:
        feed.append('"labels": labels')
    return [
        "random = np.random.default_rng()",
        f"x = random.standard_normal(({shape}), dtype=np.float32)",
        *([f"labels = np.arange({NUM_SAMPLES}, dtype=np.int64) % {trained.classes}"] if trained.classes else []),
        f"for step in range({trained.settings.sampling_steps}):",
        f'    (x,) = session.run(["earlier"], {{{", ".join(feed)}}})',
        f"samples = x  {samples_comment(trained.dataset)}",
    ]
