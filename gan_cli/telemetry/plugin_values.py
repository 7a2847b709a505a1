"""Values of TensorBoard's plugins: paragraphs of text, custom charts, and the records of the HParams page.

The same buffers as ``torch.utils.tensorboard.summary`` makes, whose package imports a stand-in for TensorFlow and,
where they are installed, clients of cloud storage: 0.1 s before the first step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.custom_scalar.layout_pb2 import Category, Chart, Layout, MultilineChartContent
from tensorboard.plugins.hparams.api_pb2 import DataType, Experiment, HParamInfo, MetricInfo, MetricName, Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.plugins.text.plugin_data_pb2 import TextPluginData

Value: TypeAlias = Any  # a Summary.Value; TensorBoard's modules have no types

# As in tensorboard.plugins.hparams.metadata, which imports that stand-in too.
HPARAMS_PLUGIN = "hparams"
HPARAMS_VERSION = 0
EXPERIMENT_TAG = "_hparams_/experiment"
SESSION_START_INFO_TAG = "_hparams_/session_start_info"
SESSION_END_INFO_TAG = "_hparams_/session_end_info"


def text(tag: str, markdown: str) -> Value:
    """Make a paragraph of TensorBoard's Text page."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[markdown.encode()], tensor_shape=shape)
    metadata = _metadata("text", TextPluginData(version=0).SerializeToString())
    return Summary.Value(tag=f"{tag}/text_summary", tensor=tensor, metadata=metadata)


def charts(category: str, layout: Mapping[str, Sequence[str]]) -> Value:
    """Make the charts of the "Custom Scalars" page: title -> tags, or patterns of tags, of its curves."""
    made = [Chart(title=title, multiline=MultilineChartContent(tag=tags)) for title, tags in layout.items()]
    content = Layout(category=[Category(title=category, chart=made)]).SerializeToString()
    tensor = TensorProto(dtype="DT_STRING", string_val=[content], tensor_shape=TensorShapeProto())
    return Summary.Value(tag="custom_scalars__config__", tensor=tensor, metadata=_metadata("custom_scalars"))


@dataclass(frozen=True)
class HParams:
    """Hyper-parameters of a run for the HParams page.

    Attributes:
        values: by name; those that are None are left out.
        distinguishing: names of those that tell the run from others; the page shows these first.
    """

    values: Mapping[str, str | float | None]
    distinguishing: Collection[str] = ()


def session_start(hparams: HParams, metrics: Sequence[str]) -> list[Value]:
    """Make the records of a run's start for the HParams page.

    Args:
        hparams: hyper-parameters.
        metrics: tags by which the page compares runs.
    """
    start = SessionStartInfo()
    infos = []
    for name, value in hparams.values.items():
        differs = name in hparams.distinguishing
        if isinstance(value, str):
            start.hparams[name].string_value = value
            infos.append(HParamInfo(name=name, type=DataType.Value("DATA_TYPE_STRING"), differs=differs))
        elif value is not None:
            start.hparams[name].number_value = value
            infos.append(HParamInfo(name=name, type=DataType.Value("DATA_TYPE_FLOAT64"), differs=differs))
    compared = [MetricInfo(name=MetricName(tag=tag)) for tag in metrics]
    experiment = Experiment(hparam_infos=infos, metric_infos=compared)
    return [_hparams(EXPERIMENT_TAG, experiment=experiment), _hparams(SESSION_START_INFO_TAG, session_start_info=start)]


def session_end() -> Value:
    """Make the record of a run's end for the HParams page."""
    end = SessionEndInfo(status=Status.Value("STATUS_SUCCESS"))
    return _hparams(SESSION_END_INFO_TAG, session_end_info=end)


def _hparams(tag: str, **content: Any) -> Value:
    data = HParamsPluginData(version=HPARAMS_VERSION, **content)
    return Summary.Value(tag=tag, metadata=_metadata(HPARAMS_PLUGIN, data.SerializeToString()))


def _metadata(plugin: str, content: bytes = b"") -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))
