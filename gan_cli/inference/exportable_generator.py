"""A generator that maps a latent to a sample in one pass, described for export."""

from __future__ import annotations

import torch

from gan_cli.inference.class_labels import describe_classes
from gan_cli.inference.exportable import (
    NUM_SAMPLES,
    TRACE_BATCH,
    ExportableNetwork,
    NetworkInput,
    samples_comment,
    value_range,
)
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.protocols.data import class_names


def exportable_generator(trained: TrainedGenerator, title: str, about: str) -> ExportableNetwork:
    """Describe a generator for export.

    Args:
        trained: the generator.
        title: heading of the model card, up to the name of the dataset.
        about: what it is, in a clause that begins the card.
    """
    conditional = f"class-conditional: {trained.classes} classes" if trained.classes else "unconditional"
    inputs = [
        NetworkInput(
            "z",
            torch.linspace(-2, 2, TRACE_BATCH * trained.latent_dim).reshape(TRACE_BATCH, -1),
            f"`(N, {trained.latent_dim})`, float32, from N(0, I); any N >= 1",
        )
    ]
    if trained.classes:
        about_labels = f"`(N,)`, int64, {describe_classes(trained.classes, class_names(trained.data))}"
        inputs.append(NetworkInput("labels", torch.zeros(TRACE_BATCH, dtype=torch.int64), about_labels))
    shape = ", ".join(map(str, trained.dataset.shape))
    return ExportableNetwork(
        network=trained.network,
        inputs=inputs,
        output="samples",
        output_about=f"`(N, {shape})`, float32, {value_range(trained.dataset)}",
        dataset=trained.dataset,
        step=trained.step,
        kind="generator",
        builder="generator",
        title=title,
        about=f"{about}, {conditional}",
        torch_code=_torch_code(trained),
        onnx_code=_onnx_code(trained),
        metadata={
            "latent_dim": trained.latent_dim,
            "shape": list(trained.dataset.shape),
            "classes": trained.classes,
        },
    )


def _torch_code(trained: TrainedGenerator) -> list[str]:
    z, comment = f"z = torch.randn({NUM_SAMPLES}, {trained.latent_dim})", samples_comment(trained.dataset)
    if not trained.classes:
        return [z, f"samples = network(z)  {comment}"]
    labels = f"labels = torch.arange({NUM_SAMPLES}) % {trained.classes}"
    return [z, labels, f"samples = network(z, labels)  {comment}"]


def _onnx_code(trained: TrainedGenerator) -> list[str]:
    lines = [f"z = np.random.default_rng().standard_normal(({NUM_SAMPLES}, {trained.latent_dim}), dtype=np.float32)"]
    feed = '{"z": z}'
    if trained.classes:
        lines.append(f"labels = np.arange({NUM_SAMPLES}, dtype=np.int64) % {trained.classes}")
        feed = '{"z": z, "labels": labels}'
    return [*lines, f'(samples,) = session.run(["samples"], {feed})  {samples_comment(trained.dataset)}']
