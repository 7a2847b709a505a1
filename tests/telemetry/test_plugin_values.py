"""Values of TensorBoard's plugins are those of torch's module, byte by byte."""

from __future__ import annotations

from torch.utils.tensorboard import summary

from gan_cli.telemetry import plugin_values


def test_text_and_charts_are_those_of_torch() -> None:
    assert plugin_values.text("config", "**bold** é") == summary.text("config", "**bold** é").value[0]
    layout = {"Is it good?": ["a", "b/.*"], "And this?": ["c"]}
    theirs = summary.custom_scalars({"mine": {title: ["Multiline", tags] for title, tags in layout.items()}})
    assert plugin_values.charts("mine", layout) == theirs.value[0]


def test_records_of_the_hparams_page_are_those_of_torch() -> None:
    hparams: dict[str, str | float | None] = {"loss": "jsd", "lr": 2e-4, "steps": 3, "noise": None, "graph": True}
    experiment, start, end = summary.hparams(dict(hparams), {"loss/d": None, "d/auc": None})
    assert plugin_values.session_start(hparams, ["loss/d", "d/auc"]) == [experiment.value[0], start.value[0]]
    assert plugin_values.session_end() == end.value[0]
