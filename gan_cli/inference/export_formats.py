"""Serialize a trained network to the bytes of a file, in each of the formats of ``gan-export``.

None of these files holds code of this package, local paths, or a pickle:

- ``safetensors`` holds the weights, and a ``config.json`` beside it describes the network.
- ``onnx`` holds the network for ONNX Runtime and its like, in opset 18: what torch's exporter writes natively,
  and every runtime of the last years reads.
- ``torch`` holds the network for torch alone, as an exported program (``torch.export``). TorchScript, its
  predecessor, is deprecated, and a pickled module would need this package and could run any code when it is loaded.
  An exported program is a graph in JSON and raw tensors; the one pickle that torch would add to it, its example
  inputs, is left out. torch promises less than the other two formats that later versions read the file.
"""

from __future__ import annotations

import copy
import inspect
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from gan_cli import __version__
from gan_cli.inference.export_folder import DESCRIPTION, WEIGHTS
from gan_cli.inference.exportable import ExportableNetwork

OPSET = 18

Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Exported:
    """The exported files of a network in one format.

    Attributes:
        files: name -> content.
        body: name of the submodule that does all of the network's work, where ``config.json`` describes it so that
            ``torch.nn`` alone can build it; None elsewhere.
    """

    files: Mapping[str, bytes]
    body: str | None = None


def metadata(exportable: ExportableNetwork) -> dict[str, Any]:
    """Return the metadata of a network that every format stores beside its weights."""
    return {"gan_cli": __version__, "step": exportable.step, **exportable.metadata}


def as_safetensors(exportable: ExportableNetwork, architecture: Arguments) -> Exported:
    """Return ``model.safetensors`` and ``config.json`` of a network.

    Args:
        exportable: the network.
        architecture: node of the run's configuration that it was built from.
    """
    weights = {name: tensor.contiguous() for name, tensor in exportable.network.state_dict().items()}
    return with_weights(exportable, architecture, weights, {})


def with_weights(
    exportable: ExportableNetwork, architecture: Arguments, weights: Mapping[str, Tensor], more: Mapping[str, Any]
) -> Exported:
    """Return weights as safetensors, with a ``config.json`` that describes their network.

    Args:
        exportable: the network, or one that it is a part of.
        architecture: node of the run's configuration that it was built from.
        weights: its own, each with memory of its own.
        more: what ``config.json`` says beside the usual.
    """
    from safetensors.torch import save

    whole = weights.keys() == exportable.network.state_dict().keys()
    body, layers = _describe_body(exportable) if whole else (None, None)
    config = {
        **metadata(exportable),
        "architecture": dict(architecture),
        "tensors": {name: list(tensor.shape) for name, tensor in weights.items()},
        "body": body,
        "layers": layers,
        **more,
    }
    files = {
        WEIGHTS: save(dict(weights), {"format": "pt", **_text_metadata(exportable)}),
        DESCRIPTION: (json.dumps(config, indent=2) + "\n").encode(),
    }
    return Exported(files, body)


def as_onnx(exportable: ExportableNetwork, architecture: Arguments) -> Exported:
    """Return ``model.onnx``, which maps the named inputs to the named output, for any batch size."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    with _silence_exporters():
        program = torch.onnx.export(
            _export_program(exportable),
            input_names=[each.name for each in exportable.inputs],
            output_names=[exportable.output],
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    ClearMetadataAndDocStringPass()(program.model)  # the source line of each node, with full paths
    program.model.metadata_props.update(_text_metadata(exportable))
    return Exported({"model.onnx": program.model_proto.SerializeToString()})


def as_torch(exportable: ExportableNetwork, architecture: Arguments) -> Exported:
    """Return ``model.pt2`` for ``torch.export.load``, for any batch size."""
    with _silence_exporters():
        program = _export_program(exportable)
        program.example_inputs = None  # the file's only pickle
        file = io.BytesIO()
        torch.export.save(program, file, extra_files={"gan_cli.json": json.dumps(metadata(exportable))})
    return Exported({"model.pt2": file.getvalue()})


FORMATS: Mapping[str, Callable[[ExportableNetwork, Arguments], Exported]] = {
    "safetensors": as_safetensors,
    "onnx": as_onnx,
    "torch": as_torch,
}


def _text_metadata(exportable: ExportableNetwork) -> dict[str, str]:
    """Return the metadata for a header whose values are strings."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in metadata(exportable).items()}


def _export_program(exportable: ExportableNetwork) -> torch.export.ExportedProgram:
    """Export the network as a graph of torch's own operations, for any batch size."""
    inputs = tuple(each.example for each in exportable.inputs)
    batch = torch.export.Dim("batch", min=1)
    # Exported networks are not trained: their samples must not require a gradient.
    network = copy.deepcopy(exportable.network).requires_grad_(False)
    program = torch.export.export(network, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs), strict=False)
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # full paths of the sources
    return program


@contextmanager
def _silence_exporters() -> Iterator[None]:
    """Silence the warnings of torch's exporters: deprecated calls, packages they do not need here."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _describe_body(exportable: ExportableNetwork) -> tuple[str | None, list[dict[str, Any]] | None]:
    """Return the network's only part and its layers as ``{"type", "arguments"}``; see :func:`_build_sequential`.

    None where the network is more than one chain of ``torch.nn`` layers, or the copy does not compute the same.
    """
    parts = list(exportable.network.named_children())
    if len(exportable.inputs) != 1 or len(parts) != 1:
        return None, None
    name, body = parts[0]
    if not isinstance(body, nn.Sequential):
        return None, None
    example = exportable.inputs[0].example
    try:
        described = [{"type": type(layer).__name__, "arguments": _arguments(layer)} for layer in body]
        layers: list[dict[str, Any]] = json.loads(json.dumps(described))
        rebuilt = _build_sequential(layers).eval()
        rebuilt.load_state_dict(body.state_dict())
        with torch.no_grad():
            same = torch.equal(rebuilt(example), exportable.network(example))
    except (AttributeError, TypeError, RuntimeError):
        return None, None
    return (name, layers) if same else (None, None)


def _build_sequential(layers: list[dict[str, Any]]) -> nn.Sequential:
    """Build a network from the layers in ``config.json``, as the model card does."""
    return nn.Sequential(*(getattr(nn, layer["type"])(**layer["arguments"]) for layer in layers))


def _arguments(layer: nn.Module) -> dict[str, Any]:
    """Return the constructor's arguments of a ``torch.nn`` layer, which are attributes of the same names.

    Raises:
        AttributeError: this layer has no such attributes.
    """
    parameters = inspect.signature(type(layer)).parameters.values()
    # Layers without arguments of their own show nn.Module's *args and **kwargs, which take none either.
    named = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    names = [name for name in named if name not in ("device", "dtype")]
    return {name: getattr(layer, name) is not None if name == "bias" else getattr(layer, name) for name in names}
