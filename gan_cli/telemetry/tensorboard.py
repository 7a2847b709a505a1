"""TensorBoard's event files: records of protocol buffers, one for all that is said of a step.

TensorBoard brings the buffers and the framing of records; torch's writer on top of them would take a record, and a
thread, for each single number.
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

BUCKETS = 30  # as many as TensorBoard's own histograms have, and as its pages show


class EventFile:
    """A new event file in a run directory. Every record is a single event, whatever number of values it holds.

    Records are whole or not there: TensorBoard reads nothing behind one that is torn.
    """

    def __init__(self, directory: Path, purge_step: int = 0) -> None:
        """Begin the file; of what older ones say of ``purge_step`` and later, TensorBoard is to show nothing."""
        name = f"events.out.tfevents.{_next_file_time(directory):010d}.{socket.gethostname()}.{os.getpid()}.0"
        self.path = directory / name
        self._file = AppendOnlyFile(self.path)
        self._records = RecordWriter(self._file)
        self._write(file_version="brain.Event:2")
        if purge_step:
            self._write(step=purge_step, session_log=SessionLog(status=SessionLog.START))

    def add(self, values: Sequence[Value], step: int = 0) -> None:
        """Write what there is to say of a step; raises ``OSError``."""
        self._write(step=step, summary=Summary(value=values))

    def _write(self, **content: Any) -> None:
        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())

    def fsync(self) -> None:
        """Make everything so far last through a power cut; waits for the disk."""
        self._file.fsync()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _next_file_time(directory: Path) -> int:
    """The second that a new event file is to carry in its name: the present one, or one later than all there are.

    TensorBoard reads the files of a run in the order of their names. A run may be resumed in the very second it was
    begun in, or after the clock was set back.
    """
    seconds = (file.name.split(".")[3] for file in directory.glob("events.out.tfevents.*.*"))
    newest = max((int(second) for second in seconds if second.isdecimal()), default=0)
    return max(int(time.time()), newest + 1)


def scalar(tag: str, number: float, note: str = "") -> Value:
    """One number of a curve; TensorBoard shows the note beside its name."""
    if not note:
        return Summary.Value(tag=tag, simple_value=number)
    return Summary.Value(tag=tag, simple_value=number, metadata=SummaryMetadata(summary_description=note))


def histogram(tag: str, values: FloatArray, note: str = "") -> Value:
    """The distribution of finite values, of any shape but not empty, in buckets of one width."""
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
            # A bucket only says where it ends: an empty one in front says where the first begins.
            bucket_limit=edges.tolist(),
            bucket=[0, *counts.tolist()],
        ),
    )


def image(tag: str, png: bytes, width: int, height: int) -> Value:
    """A picture, as it is in its file."""
    return Summary.Value(tag=tag, image=Summary.Image(width=width, height=height, encoded_image_string=png))


def text(tag: str, markdown: str) -> Value:
    """A paragraph of TensorBoard's Text page."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    return Summary.Value(
        tag=f"{tag}/text_summary",
        metadata=_for_plugin("text"),
        tensor=TensorProto(dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape),
    )


def indented_code(lines: Sequence[str]) -> str:
    """Lines as they are, in Markdown: what is indented is taken for no markup."""
    return "\n".join(f"    {line}" for line in lines)


def charts(category: str, layout: Mapping[str, Sequence[str]]) -> Value:
    """The charts of the "Custom Scalars" page: title -> tags, or patterns of tags, of its curves."""
    described = layout_pb2.Layout(
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
            dtype="DT_STRING", string_val=[described.SerializeToString()], tensor_shape=TensorShapeProto()
        ),
    )


def session_start(hparams: Mapping[str, str | float | None], metrics: Sequence[str]) -> list[Value]:
    """What a run chose, and the tags it is to be compared by, for the HParams page; what is None was not chosen."""
    chosen = {name: value for name, value in hparams.items() if value is not None}
    start = SessionStartInfo()
    for name, value in chosen.items():
        if isinstance(value, str):
            start.hparams[name].string_value = value
        else:
            start.hparams[name].number_value = value
    kinds = {
        name: api_pb2.DATA_TYPE_STRING if isinstance(value, str) else api_pb2.DATA_TYPE_FLOAT64
        for name, value in chosen.items()
    }
    experiment = api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, type=kind) for name, kind in kinds.items()],
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metrics],
    )
    return [_hparams("experiment", experiment=experiment), _hparams("session_start_info", session_start_info=start)]


def session_end() -> Value:
    """That the run has come to its end, for the HParams page."""
    return _hparams("session_end_info", session_end_info=SessionEndInfo(status=api_pb2.STATUS_SUCCESS))


def _hparams(name: str, **content: Any) -> Value:
    data = HParamsPluginData(version=0, **content).SerializeToString()
    return Summary.Value(tag=f"_hparams_/{name}", metadata=_for_plugin("hparams", data))


def _for_plugin(name: str, content: bytes = b"") -> Any:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=name, content=content))
