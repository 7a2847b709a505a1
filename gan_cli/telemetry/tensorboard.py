"""TensorBoard event files: one record of protocol buffers for all values of a step.

The package tensorboard provides the buffers and the framing of records; torch's ``SummaryWriter`` on top of them would
write a record for each single number, and use a thread.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

from gan_cli.protocols.arrays import FloatArray
from gan_cli.storage.files import AppendOnlyFile

Value: TypeAlias = Any  # a Summary.Value; TensorBoard's modules have no types

BUCKETS = 30  # of TensorBoard's own histograms, and of its pages


class EventFile:
    """A new event file in a run directory. Every record is a single event, whatever number of values it holds.

    Records are complete or absent: TensorBoard reads nothing behind a truncated one.
    """

    def __init__(self, directory: Path, purge_step: int = 0) -> None:
        """Create the file; TensorBoard then ignores what older files hold of ``purge_step`` and later."""
        name = f"events.out.tfevents.{_next_file_time(directory):010d}.{socket.gethostname()}.{os.getpid()}.0"
        self.path = directory / name
        self._file = AppendOnlyFile(self.path)
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        if purge_step:
            self._write(step=purge_step, session_log=SessionLog(status=SessionLog.START))

    def add(self, values: Sequence[Value], step: int = 0) -> None:
        """Write the values of a step as one record; raises ``OSError``."""
        self._write(step=step, summary=Summary(value=values))

    def _write(self, **content: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())

    def fsync(self) -> None:
        """Make all records durable across a power cut; waits for the disk, and raises ``OSError``."""
        self._file.fsync()

    def close(self) -> None:
        self._file.close()


def _next_file_time(directory: Path) -> int:
    """Return the time in seconds for the name of a new event file: the present one, but later than existing files.

    TensorBoard reads the files of a run in the order of their names. A run may be resumed in the same second in which
    it started, or after the clock was set back.
    """
    seconds = (file.name.split(".")[3] for file in directory.glob("events.out.tfevents.*.*"))
    newest = max((int(second) for second in seconds if second.isdecimal()), default=0)
    return max(int(time.time()), newest + 1)


def scalar(tag: str, number: float, note: str = "") -> Value:
    """Make one value of a curve; TensorBoard shows the note beside its name."""
    if not note:
        return Summary.Value(tag=tag, simple_value=number)
    return Summary.Value(tag=tag, simple_value=number, metadata=SummaryMetadata(summary_description=note))


def histogram(tag: str, values: FloatArray, note: str = "") -> Value:
    """Make a histogram of finite values, of any shape but not empty, with buckets of equal width."""
    doubles = values.astype(np.float64).ravel()
    counts, edges = np.histogram(doubles, BUCKETS)
    return Summary.Value(
        tag=tag,
        metadata=SummaryMetadata(summary_description=note) if note else None,
        histo=HistogramProto(
            min=doubles.min(),
            max=doubles.max(),
            num=doubles.size,
            sum=doubles.sum(),
            sum_squares=doubles @ doubles,
            # A bucket only has an upper limit: an empty one in front sets the lower limit of the first.
            bucket_limit=edges.tolist(),
            bucket=[0, *counts.tolist()],
        ),
    )


def image(tag: str, png: bytes, width: int, height: int) -> Value:
    """Make an image from the bytes of a PNG file."""
    return Summary.Value(tag=tag, image=Summary.Image(width=width, height=height, encoded_image_string=png))


def text(tag: str, markdown: str) -> Value:
    """Make a paragraph of TensorBoard's Text page."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    return Summary.Value(
        tag=f"{tag}/text_summary",
        metadata=_for_plugin("text"),
        tensor=TensorProto(dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape),
    )


def indented_code(lines: Sequence[str]) -> str:
    """Return lines as an indented code block of Markdown, which shows them verbatim."""
    return "\n".join(f"    {line}" for line in lines)


def charts(category: str, layout: Mapping[str, Sequence[str]]) -> Value:
    """Make the charts of the "Custom Scalars" page: title -> tags, or patterns of tags, of its curves."""
    layout_message = layout_pb2.Layout(
        category=[
            layout_pb2.Category(
                title=category,
                chart=[
                    layout_pb2.Chart(title=title, multiline=layout_pb2.MultilineChartContent(tag=tags))
                    for title, tags in layout.items()
                ],
            )
        ]
    )
    return Summary.Value(
        tag="custom_scalars__config__",
        metadata=_for_plugin("custom_scalars"),
        tensor=TensorProto(
            dtype="DT_STRING", string_val=[layout_message.SerializeToString()], tensor_shape=TensorShapeProto()
        ),
    )


def session_start(hparams: Mapping[str, str | float | None], metrics: Sequence[str]) -> list[Value]:
    """Make the records of a run's start for the HParams page.

    Args:
        hparams: hyper-parameters by name; those that are None are left out.
        metrics: tags by which the page compares runs.
    """
    present = {name: value for name, value in hparams.items() if value is not None}
    start = SessionStartInfo()
    for name, value in present.items():
        if isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    types = {
        name: api_pb2.DATA_TYPE_STRING if isinstance(value, str) else api_pb2.DATA_TYPE_FLOAT64
        for name, value in present.items()
    }
    experiment = api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, type=type_) for name, type_ in types.items()],
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metrics],
    )
    return [_hparams("experiment", experiment=experiment), _hparams("session_start_info", session_start_info=start)]


def session_end() -> Value:
    """Make the record of a run's end for the HParams page."""
    return _hparams("session_end_info", session_end_info=SessionEndInfo(status=api_pb2.STATUS_SUCCESS))


def _hparams(name: str, **content: Any) -> Value:
    data = HParamsPluginData(version=0, **content).SerializeToString()
    return Summary.Value(tag=f"_hparams_/{name}", metadata=_for_plugin("hparams", data))


def _for_plugin(name: str, content: bytes = b"") -> Any:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name, content=content))
