"""A generator that maps a latent to a sample in one pass, described for export."""

from __future__ import annotations

import torch

from gan_cli.inference.exportable import (
    NUM_SAMPLES,
    TRACE_BATCH,
    ExportableNetwork,
    NetworkInput,
    samples_comment,
    table_metadata,
    value_range,
)
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.inference.label_inputs import (
    conditional_clause,
    label_inputs,
    label_metadata,
    numpy_label_lines,
    torch_label_lines,
)
from gan_cli.protocols.data import class_names


def exportable_generator(trained: TrainedGenerator, title: str, about: str) -> ExportableNetwork:
    """Describe a generator for export.

    Args:
        trained: the generator.
        title: heading of the model card, up to the name of the dataset.
        about: what it is, in a clause that begins the card.
    """
    inputs = [
        NetworkInput(
            "z",
            torch.linspace(-2, 2, TRACE_BATCH * trained.latent_dim).reshape(TRACE_BATCH, -1),
            f"`(N, {trained.latent_dim})`, float32, from N(0, I); any N >= 1",
        )
    ]
    inputs += label_inputs(trained.condition, class_names(trained.data))
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
        about=f"{about}, {conditional_clause(trained.condition)}",
        torch_code=_torch_code(trained),
        onnx_code=_onnx_code(trained),
        metadata={
            "latent_dim": trained.latent_dim,
            "shape": list(trained.dataset.shape),
            **label_metadata(trained.condition),
            **table_metadata(trained.dataset),
        },
    )


def _torch_code(trained: TrainedGenerator) -> list[str]:
    z, comment = f"z = torch.randn({NUM_SAMPLES}, {trained.latent_dim})", samples_comment(trained.dataset)
    labels = torch_label_lines(trained.condition)
    return [z, *labels, f"samples = network({'z, labels' if labels else 'z'})  {comment}"]


def _onnx_code(trained: TrainedGenerator) -> list[str]:
    lines = [f"z = np.random.default_rng().standard_normal(({NUM_SAMPLES}, {trained.latent_dim}), dtype=np.float32)"]
    labels = numpy_label_lines(trained.condition)
    feed = '{"z": z, "labels": labels}' if labels else '{"z": z}'
    return [*lines, *labels, f'(samples,) = session.run(["samples"], {feed})  {samples_comment(trained.dataset)}']
