"""Values of TensorBoard's plugins are those of torch's module, byte by byte."""

from __future__ import annotations

from tensorboard.plugins.hparams import backend_context
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import summary

from gan_cli.telemetry import plugin_values


def test_text_and_charts_are_those_of_torch() -> None:
    assert plugin_values.text("config", "**bold** é") == summary.text("config", "**bold** é").value[0]
    layout = {"Is it good?": ["a", "b/.*"], "And this?": ["c"]}
    theirs = summary.custom_scalars({"mine": {title: ["Multiline", tags] for title, tags in layout.items()}})
    assert plugin_values.charts("mine", layout) == theirs.value[0]


def test_page_shows_first_what_tells_runs_apart() -> None:
    hparams = plugin_values.HParams({"algorithm": "gan", "loss": "jsd", "seed": 0}, {"loss", "seed"})
    (experiment, _) = plugin_values.session_start(hparams, [])
    content = HParamsPluginData.FromString(experiment.metadata.plugin_data.content).experiment
    backend_context._sort_and_reduce_to_hparams_limit(content)
    assert [info.name for info in content.hparam_infos] == ["loss", "seed", "algorithm"]


def test_records_of_the_hparams_page_are_those_of_torch() -> None:
    hparams: dict[str, str | float | None] = {"loss": "jsd", "lr": 2e-4, "steps": 3, "noise": None, "graph": True}
    experiment, start, end = summary.hparams(dict(hparams), {"loss/d": None, "d/auc": None})
    assert plugin_values.session_start(plugin_values.HParams(hparams), ["loss/d", "d/auc"]) == [
        experiment.value[0],
        start.value[0],
    ]
    assert plugin_values.session_end() == end.value[0]
