"""A network to export, with all that export formats and model card say about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from gan_cli.protocols.data import Dataset
from gan_cli.protocols.tables import Tabular

# Samples in a traced batch: two, as torch takes a dimension of size 1 for a constant.
TRACE_BATCH = 2
# Samples that the card's code draws.
NUM_SAMPLES = 16


@dataclass(frozen=True)
class NetworkInput:
    """An argument of an exported network.

    Attributes:
        name: in the ONNX file and on the card.
        example: ``(TRACE_BATCH, ...)``, to trace and to compare with; uses no random state.
        about: shape, type, range or distribution, as the card states them.
    """

    name: str
    example: Tensor
    about: str


@dataclass(frozen=True)
class ExportableNetwork:
    """A trained network that ``gan-export`` writes, as its family describes it.

    Attributes:
        network: in evaluation mode, on the CPU; takes :attr:`inputs` in their order, for any batch size.
        inputs: its arguments.
        output: name of its result.
        output_about: shape, type and range of the result, as the card states them.
        dataset: the dataset it learned.
        step: number of updates it was trained for.
        kind: word for it: ``generator``.
        builder: method of the run's architecture that builds it.
        title: heading of the card, up to the name of the dataset.
        about: first sentence of the card, without its full stop.
        torch_code: lines of Python that assign ``samples``, given ``torch`` and the callable ``network``.
        onnx_code: lines of Python that assign ``samples``, given NumPy as ``np`` and ONNX Runtime's ``session``.
        metadata: what every format stores beside the weights, apart from the version and the step.
        rows: more rows of the card's first table.
    """

    network: nn.Module
    inputs: Sequence[NetworkInput]
    output: str
    output_about: str
    dataset: Dataset
    step: int
    kind: str
    builder: str
    title: str
    about: str
    torch_code: Sequence[str]
    onnx_code: Sequence[str]
    metadata: Mapping[str, Any]
    rows: Mapping[str, str] = field(default_factory=dict)


def is_image(dataset: Dataset) -> bool:
    """Return whether the samples of a dataset are images, not points."""
    return len(dataset.shape) == 3


def value_range(dataset: Dataset) -> str:
    """Return the range of generated samples, in words."""
    if isinstance(dataset, Tabular):
        return "standardized: x * scales + centers of the metadata is in the table's own units"
    return f"{'pixels' if is_image(dataset) else 'points'} scaled to [-1, 1]"


def table_metadata(dataset: Dataset) -> dict[str, Any]:
    """Return the names and units of the columns of a table, as plain values; empty for other data."""
    if not isinstance(dataset, Tabular):
        return {}
    columns = dataset.table_columns()
    return {"columns": list(columns.names), "centers": list(columns.centers), "scales": list(columns.scales)}


def samples_comment(dataset: Dataset) -> str:
    """Return the comment of the line of code that assigns ``samples``: their shape and range."""
    shape = ", ".join(map(str, (NUM_SAMPLES, *dataset.shape)))
    return f"# ({shape}), {value_range(dataset)}"
