"""One step of the reverse process, described for export: the loop over the steps is in the model card."""

from __future__ import annotations

from typing import Any

import torch

from gan_cli.algorithms.diffusion.inference import TrainedDenoiser
from gan_cli.algorithms.diffusion.reverse import DeterministicStep, NoisyStep
from gan_cli.inference.exportable import (
    NUM_SAMPLES,
    TRACE_BATCH,
    ExportableNetwork,
    NetworkInput,
    samples_comment,
    table_metadata,
    value_range,
)
from gan_cli.inference.label_inputs import (
    conditional_clause,
    label_inputs,
    label_metadata,
    numpy_label_lines,
    torch_label_lines,
)
from gan_cli.protocols.data import class_names


def exportable_step(trained: TrainedDenoiser) -> ExportableNetwork:
    """Describe one denoising step, its constants included, for export."""
    settings, shape = trained.settings, trained.dataset.shape
    kind = DeterministicStep if settings.reverse.deterministic else NoisyStep
    sizes = ", ".join(map(str, shape))
    conditional = conditional_clause(trained.condition)
    return ExportableNetwork(
        network=settings.reverse_steps(kind, trained.network, shape, trained.condition).eval(),
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
    guided = f", with a guidance scale of {settings.guidance:g}" if trained.condition else ""
    return (
        f"the network predicts {settings.prediction.value}, and a sample takes {settings.sampling_steps} steps of"
        f" {trained.facts['sampler']}, over {settings.timesteps} timesteps of {trained.facts['schedule']}{guided}"
    )


def _metadata(trained: TrainedDenoiser) -> dict[str, Any]:
    return {
        "shape": list(trained.dataset.shape),
        **label_metadata(trained.condition),
        "prediction": trained.settings.prediction.value,
        "timesteps": trained.settings.timesteps,
        "sampling_steps": trained.settings.sampling_steps,
        **table_metadata(trained.dataset),
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
    return inputs + label_inputs(trained.condition, class_names(trained.data))


def _torch_code(trained: TrainedDenoiser) -> list[str]:
    noise = [] if trained.settings.reverse.deterministic else ["torch.randn_like(x)"]
    labels = ["labels"] if trained.condition else []
    arguments = ", ".join(["x", f"torch.full(({NUM_SAMPLES},), step)", *noise, *labels])
    return [
        f"x = torch.randn({', '.join(map(str, (NUM_SAMPLES, *trained.dataset.shape)))})",
        *torch_label_lines(trained.condition),
        f"for step in range({trained.settings.sampling_steps}):",
        f"    x = network({arguments})",
        f"samples = x  {samples_comment(trained.dataset)}",
    ]


def _onnx_code(trained: TrainedDenoiser) -> list[str]:
    shape = ", ".join(map(str, (NUM_SAMPLES, *trained.dataset.shape)))
    feed = ['"x": x', f'"step": np.full({NUM_SAMPLES}, step)']
    if not trained.settings.reverse.deterministic:
        feed.append('"noise": random.standard_normal(x.shape, dtype=np.float32)')
    if trained.condition:
        feed.append('"labels": labels')
    return [
        "random = np.random.default_rng()",
        f"x = random.standard_normal(({shape}), dtype=np.float32)",
        *numpy_label_lines(trained.condition),
        f"for step in range({trained.settings.sampling_steps}):",
        f'    (x,) = session.run(["earlier"], {{{", ".join(feed)}}})',
        f"samples = x  {samples_comment(trained.dataset)}",
    ]
