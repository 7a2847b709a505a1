"""The model card of a generator: its interface, data, results, and code that samples from it without gan_cli."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from gan_cli import __version__
from gan_cli.inference.export_folder import MARK
from gan_cli.inference.export_formats import Exported
from gan_cli.inference.generator import TrainedGenerator
from gan_cli.protocols.data import Dataset

NUM_SAMPLES = 16

PIP_PACKAGES = {"safetensors": "torch safetensors", "onnx": "onnxruntime numpy", "torch": "torch"}


def model_card(
    trained: TrainedGenerator, kind: str, exported: Exported, config: str, summary: Mapping[str, Any] | None
) -> str:
    """Return the model card of an exported generator as Markdown.

    Args:
        trained: the generator.
        kind: name of the export format.
        exported: the exported files, which lie beside the card.
        config: the run's configuration, YAML.
        summary: ``summary.json`` of the run, or None where it has none (it still runs, or was killed).
    """
    network, dataset = trained.network, trained.dataset
    count = sum(parameter.numel() for parameter in network.parameters())
    conditional = f"class-conditional: {trained.classes} classes" if trained.classes else "unconditional"
    parts = [
        MARK.decode(),
        f"# Generator of a GAN: {type(dataset).__name__}",
        f"The generator of a generative adversarial network, {conditional}. Its weights are the moving average of those"
        f" of the training run, after step {trained.step}. Written by `gan-export --format {kind}` of"
        f" gan_cli {__version__} with torch {torch.__version__}.",
        _table("what", "value", _interface(trained) | {"step": str(trained.step), "parameters": f"{count:,}"}),
        "## Sample",
        _usage(trained, kind, exported),
        "## Data",
        f"{type(dataset).__name__}: {_about(dataset)}",
        f"Licence: {dataset.licence}",
        "## Results",
        _results(summary, trained.step),
        "## Training",
        "The configuration of the run; `gan-train --help` explains its keys.",
        _fenced(config, "yaml"),
    ]
    return "\n\n".join(parts) + "\n"


def usage_snippet(trained: TrainedGenerator, kind: str, exported: Exported) -> str:
    """Return Python code that draws ``samples`` in the folder of the export; mere weights are only loaded."""
    if kind == "safetensors" and exported.body is None:
        return 'from safetensors.torch import load_file\n\nweights = load_file("model.safetensors")'
    shape = ", ".join(map(str, (NUM_SAMPLES, *trained.dataset.shape)))
    remark = f"# ({shape}), {_range(trained.dataset)}"
    return "\n".join([*SNIPPETS[kind](trained, exported, remark), *_own_coordinates(trained.dataset)])


def scale(dataset: Dataset) -> float | None:
    """Return the factor from generated samples to the data's own coordinates; None if it is not a single number."""
    probe = np.linspace(-1, 1, int(np.prod(dataset.shape)), dtype=np.float32).reshape(1, *dataset.shape)
    ones = dataset.coordinates(np.ones_like(probe))
    factor = ones.flat[0]
    if not np.allclose(dataset.coordinates(probe), probe * factor):
        return None
    return float(str(factor))  # the shortest number that is the same in float32


def _with_torch(load: list[str], trained: TrainedGenerator, remark: str) -> list[str]:
    z = f"z = torch.randn({NUM_SAMPLES}, {trained.latent_dim})"
    if trained.classes:
        return [
            *load,
            z,
            f"labels = torch.arange({NUM_SAMPLES}) % {trained.classes}",
            f"samples = network(z, labels)  {remark}",
        ]
    return [*load, z, f"samples = network(z)  {remark}"]


def _safetensors_snippet(trained: TrainedGenerator, exported: Exported, remark: str) -> list[str]:
    load = [
        "import json",
        "",
        "import torch",
        "from safetensors.torch import load_file",
        "",
        'layers = json.load(open("config.json"))["layers"]',
        'network = torch.nn.Sequential(*(getattr(torch.nn, layer["type"])(**layer["arguments"]) for layer in layers))',
        f'weights = {{name.removeprefix("{exported.body}."): w for name, w in load_file("model.safetensors").items()}}',
        "network.eval().requires_grad_(False).load_state_dict(weights)",
    ]
    return _with_torch(load, trained, remark)


def _torch_snippet(trained: TrainedGenerator, exported: Exported, remark: str) -> list[str]:
    return _with_torch(["import torch", "", 'network = torch.export.load("model.pt2").module()'], trained, remark)


def _onnx_snippet(trained: TrainedGenerator, exported: Exported, remark: str) -> list[str]:
    lines = [
        "import numpy as np",
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("model.onnx")',
        f"z = np.random.default_rng().standard_normal(({NUM_SAMPLES}, {trained.latent_dim}), dtype=np.float32)",
    ]
    feed = '{"z": z}'
    if trained.classes:
        lines.append(f"labels = np.arange({NUM_SAMPLES}, dtype=np.int64) % {trained.classes}")
        feed = '{"z": z, "labels": labels}'
    return [*lines, f'(samples,) = session.run(["samples"], {feed})  {remark}']


SNIPPETS = {"safetensors": _safetensors_snippet, "onnx": _onnx_snippet, "torch": _torch_snippet}


def _own_coordinates(dataset: Dataset) -> list[str]:
    """Return the line of code that converts points to the data's own coordinates; none for images."""
    factor = scale(dataset)
    if factor is None or _is_image(dataset):
        return []
    return [f"points = samples * {factor}  # in the data's own coordinates"]


def _is_image(dataset: Dataset) -> bool:
    return len(dataset.shape) == 3


def _range(dataset: Dataset) -> str:
    return f"{'pixels' if _is_image(dataset) else 'points'} scaled to [-1, 1]"


def _interface(trained: TrainedGenerator) -> dict[str, str]:
    """Return inputs and outputs of the network by name."""
    shape = ", ".join(map(str, trained.dataset.shape))
    rows = {"input `z`": f"`(N, {trained.latent_dim})`, float32, from N(0, I); any N >= 1"}
    if trained.classes:
        rows["input `labels`"] = f"`(N,)`, int64, classes 0 to {trained.classes - 1}"
    rows["output `samples`"] = f"`(N, {shape})`, float32, {_range(trained.dataset)}"
    factor = scale(trained.dataset)
    if factor is not None and not _is_image(trained.dataset):
        rows["scale"] = f"times {factor}: the data's own coordinates"
    return rows


def _usage(trained: TrainedGenerator, kind: str, exported: Exported) -> str:
    code = _fenced(usage_snippet(trained, kind, exported), "python")
    if kind == "safetensors" and exported.body is None:
        return (
            f"In this folder, after `pip install {PIP_PACKAGES[kind]}`, the weights are loaded by\n\n{code}\n\n"
            "The network they belong to is more than a chain of layers of `torch.nn`: `architecture` in `config.json`"
            " names the class of gan_cli whose method `generator` builds it. `gan-export --format torch` and"
            " `--format onnx` write the network too."
        )
    return f"In this folder, after `pip install {PIP_PACKAGES[kind]}`:\n\n{code}"


def _about(dataset: Dataset) -> str:
    """Return the first paragraph of the dataset's docstring, as one line."""
    return " ".join((inspect.getdoc(type(dataset)) or "").split("\n\n")[0].split())


def _results(summary: Mapping[str, Any] | None, step: int) -> str:
    """Return the run's last metrics as a table."""
    if summary is None:
        return "None: the run has no summary; it is still running or was interrupted."
    text = f"Last metrics of the run, which {summary.get('status', 'ended')} at step {summary.get('step', step)}:"
    final = summary.get("final")
    if not isinstance(final, dict) or not final:
        return "The run logged no metrics."
    return f"{text}\n\n" + _table("metric", "value", {f"`{tag}`": _number(value) for tag, value in final.items()})


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else str(value)


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join(lines)


def _fenced(text: str, language: str) -> str:
    """Return a block of code, fenced with more backticks than the text has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
