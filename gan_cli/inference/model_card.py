"""The model card of an exported network: its interface, data, results, and code that samples without gan_cli."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import numpy as np
import torch

from gan_cli import __version__
from gan_cli.inference import card_sections
from gan_cli.inference.card_facts import CardFacts
from gan_cli.inference.export_folder import CONFIGURATION, MARK, PICTURE, WEIGHTS
from gan_cli.inference.export_formats import Exported
from gan_cli.inference.exportable import ExportableNetwork, is_image
from gan_cli.protocols.data import Dataset

PIP_PACKAGES = {
    "hub": "torch safetensors",
    "safetensors": "torch safetensors",
    "onnx": "onnxruntime numpy",
    "torch": "torch",
}


def model_card(exportable: ExportableNetwork, kind: str, exported: Exported, facts: CardFacts) -> str:
    """Return the model card of an exported network as Markdown, with front matter for the Hugging Face Hub.

    Args:
        exportable: the network.
        kind: name of the export format.
        exported: the exported files, which lie beside the card.
        facts: about the run, whose last samples and configuration lie beside the card too.
    """
    dataset = exportable.dataset
    made = f"Written by `gan-export --format {kind}` of gan_cli {__version__} with torch {torch.__version__}."
    picture = facts.picture
    parts = [
        "\n".join([MARK.decode().rstrip(), *card_sections.front_matter(exportable, kind, facts), "---"]),
        f"# {exportable.title}: {facts.dataset}",
        *([f"![Samples at step {picture.step:,} of the run]({PICTURE})"] if picture else []),
        f"{exportable.about}. {made}",
        "\n".join(card_sections.training_lines(exportable, facts)),
        "## Sample",
        *USED_BY_COMMAND.get(kind, _no_command)(facts),
        _usage(exportable, kind, exported),
        _table("what", "value", _interface(exportable) | dict(exportable.rows)),
        "## Evaluation",
        card_sections.evaluation_section(exportable, facts),
        "## Limits",
        "\n".join(card_sections.limits(facts)),
        "## Data and configuration",
        f"{facts.dataset}: {_about(dataset)} Licence of the data: {dataset.licence}",
        f"The configuration that it was trained with is in `{CONFIGURATION}`; `gan-train --help` explains its keys.",
    ]
    return "\n\n".join(parts) + "\n"


def usage_snippet(exportable: ExportableNetwork, kind: str, exported: Exported) -> str:
    """Return Python code that draws ``samples`` in the folder of the export; mere weights are only loaded."""
    if WEIGHTS in exported.files and exported.body is None:
        return 'from safetensors.torch import load_file\n\nweights = load_file("model.safetensors")'
    return "\n".join([*SNIPPETS[kind](exportable, exported), *_own_coordinates(exportable.dataset)])


def scale(dataset: Dataset) -> float | None:
    """Return the factor from generated samples to the data's own coordinates; None if it is not a single number."""
    probe = np.linspace(-1, 1, int(np.prod(dataset.shape)), dtype=np.float32).reshape(1, *dataset.shape)
    ones = dataset.coordinates(np.ones_like(probe))
    factor = ones.flat[0]
    if not np.allclose(dataset.coordinates(probe), probe * factor):
        return None
    return float(str(factor))  # the shortest number that is the same in float32


def _safetensors_snippet(exportable: ExportableNetwork, exported: Exported) -> list[str]:
    return [
        "import json",
        "",
        "import torch",
        "from safetensors.torch import load_file",
        "",
        'layers = json.load(open("config.json"))["layers"]',
        'network = torch.nn.Sequential(*(getattr(torch.nn, layer["type"])(**layer["arguments"]) for layer in layers))',
        f'weights = {{name.removeprefix("{exported.body}."): w for name, w in load_file("model.safetensors").items()}}',
        "network.eval().requires_grad_(False).load_state_dict(weights)",
        *exportable.torch_code,
    ]


def _torch_snippet(exportable: ExportableNetwork, exported: Exported) -> list[str]:
    return ["import torch", "", 'network = torch.export.load("model.pt2").module()', *exportable.torch_code]


def _onnx_snippet(exportable: ExportableNetwork, exported: Exported) -> list[str]:
    return [
        "import numpy as np",
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("model.onnx")',
        *exportable.onnx_code,
    ]


SNIPPETS = {
    "hub": _safetensors_snippet,
    "safetensors": _safetensors_snippet,
    "onnx": _onnx_snippet,
    "torch": _torch_snippet,
}


def own_levels(dataset: Dataset) -> tuple[float, float]:
    """Return the values in the data's own units that -1 and 1 stand for."""
    low, high = (dataset.coordinates(np.full((1, *dataset.shape), end, np.float32)).flat[0] for end in (-1, 1))
    return float(low), float(high)


def _own_coordinates(dataset: Dataset) -> list[str]:
    """Return the line of code that converts samples to the data's own coordinates; none for images in [-1, 1]."""
    if is_image(dataset):
        low, high = own_levels(dataset)
        if (low, high) == (-1.0, 1.0):
            return []
        offset = f"{'-' if low < 0 else '+'} {abs(low):g}"
        return [f"images = (samples + 1) * {(high - low) / 2:g} {offset}  # in the units of the data"]
    factor = scale(dataset)
    if factor is None:
        return []
    return [f"points = samples * {factor}  # in the data's own coordinates"]


def _no_command(facts: CardFacts) -> list[str]:
    return []


def _hub_command(facts: CardFacts) -> list[str]:
    """Return how gan_cli draws samples from the folder, and from the Hub where it is for that."""
    folder = "gan-sample . --n 64 --seed 0 --out grid.png  # in a copy of this folder"
    lines = [f"gan-sample hub:{facts.repository} --n 64 --seed 0 --out grid.png"] if facts.repository else []
    code = _fenced("\n".join([*lines, folder]), "bash")
    return [
        f"With gan_cli (`pip install 'gan-cli[hub]'`), the same samples for the same seed as from its run:\n\n{code}"
    ]


USED_BY_COMMAND = {"hub": _hub_command}


def _interface(exportable: ExportableNetwork) -> dict[str, str]:
    """Return inputs and outputs of the network by name."""
    rows = {f"input `{each.name}`": each.about for each in exportable.inputs}
    rows[f"output `{exportable.output}`"] = exportable.output_about
    factor = scale(exportable.dataset)
    if factor is not None and not is_image(exportable.dataset):
        rows["scale"] = f"times {factor}: the data's own coordinates"
    return rows


def _usage(exportable: ExportableNetwork, kind: str, exported: Exported) -> str:
    code = _fenced(usage_snippet(exportable, kind, exported), "python")
    if WEIGHTS in exported.files and exported.body is None:
        return (
            f"In this folder, after `pip install {PIP_PACKAGES[kind]}`, the weights are loaded by\n\n{code}\n\n"
            "The network they belong to is more than a chain of layers of `torch.nn`: `architecture` in `config.json`"
            f" names the class of gan_cli whose method `{exportable.builder}` builds it. `gan-export --format torch`"
            " and `--format onnx` write the network too."
        )
    return f"In this folder, after `pip install {PIP_PACKAGES[kind]}`:\n\n{code}"


def _about(dataset: Dataset) -> str:
    """Return the first paragraph of the dataset's docstring, as one line."""
    return " ".join((inspect.getdoc(type(dataset)) or "").split("\n\n")[0].split())


def _table(left: str, right: str, rows: Mapping[str, str]) -> str:
    lines = [f"| {left} | {right} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    return "\n".join(lines)


def _fenced(text: str, language: str) -> str:
    """Return a block of code, fenced with more backticks than the text has in a row."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"
