"""Sections of a model card that come from its run: front matter for the Hugging Face Hub, training, metrics, limits."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from gan_cli.errors import printable
from gan_cli.inference.card_facts import CardFacts
from gan_cli.inference.exportable import ExportableNetwork, is_image
from gan_cli.metrics.registry import UNRANKED, metric_infos
from gan_cli.storage.json_files import mapping

# Option of the group `dataset` -> its name on the Hub, and the licence's identifier there, where it has one.
ON_THE_HUB: Mapping[str, tuple[str, str]] = {
    "mnist": ("ylecun/mnist", "cc-by-sa-3.0"),
    "fashion_mnist": ("zalando-datasets/fashion_mnist", "mit"),
    "cifar10": ("uoft-cs/cifar10", "other"),
    "cifar100": ("uoft-cs/cifar100", "other"),
    "svhn": ("ufldl-stanford/svhn", "other"),
    "huggingface": ("", "other"),
    "digits": ("", "cc-by-4.0"),
}
# Most metrics and alarms that a card lists, most characters of an alarm's message, and most metrics that the Hub shows
# beside it.
MAX_METRICS, MAX_ALARMS, MAX_MESSAGE, MAX_INDEXED = 12, 6, 300, 6
PIPELINE = "unconditional-image-generation"


def front_matter(exportable: ExportableNetwork, kind: str, facts: CardFacts) -> list[str]:
    """Return the lines of YAML by which the Hub files a model, without the dashes around them."""
    option = facts.options.get("dataset", "")
    name, licence = ON_THE_HUB.get(option, ("", "other"))
    name = facts.dataset if option == "huggingface" and "/" in facts.dataset else name
    algorithm, loss = (facts.options.get(group, "") for group in ("algorithm", "loss"))
    tags = [algorithm, loss if loss != "none" else "", "pytorch" if kind != "onnx" else "onnx"]
    lines = [f"license: {licence}", "library_name: gan-cli", "tags:"]
    lines += [f"- {json.dumps(tag)}" for tag in dict.fromkeys(tags) if tag]
    if is_image(exportable.dataset):
        lines.append(f"pipeline_tag: {PIPELINE}")
    if name:
        lines += ["datasets:", f"- {json.dumps(name)}"]
    return lines + _model_index(exportable, facts)


def _model_index(exportable: ExportableNetwork, facts: CardFacts) -> list[str]:
    """Return the lines of YAML by which the Hub shows metrics; none where the exported network was not measured."""
    figures = mapping(facts.evaluation.get("figures"))
    values = {name: mapping(figures[name]).get("value") for name in _by_rank(figures)}
    finite = {name: value for name, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}
    measured = mapping(facts.evaluation.get("generator")).get("step")
    if not finite or measured != exportable.step or not is_image(exportable.dataset):
        return []
    dataset, algorithm = json.dumps(facts.dataset), facts.options.get("algorithm", "model")
    name = (facts.repository or f"{algorithm}-{facts.dataset}").rpartition("/")[2]
    return [
        "model-index:",
        f"- name: {json.dumps(name)}",
        "  results:",
        f"  - task: {{type: {PIPELINE}}}",
        f"    dataset: {{type: {dataset}, name: {dataset}}}",
        "    metrics:",
        *(
            f"    - {{type: {json.dumps(printable(metric))}, value: {json.dumps(finite[metric])}}}"
            for metric in list(finite)[:MAX_INDEXED]
        ),
    ]


def training_lines(exportable: ExportableNetwork, facts: CardFacts) -> list[str]:
    """Return in four lines what was learned, by what, for how long, and which of its checkpoints this is."""
    shape = " x ".join(map(str, exportable.dataset.shape))
    options = {group: facts.options[group] for group in ("algorithm", "architecture", "loss") if group in facts.options}
    more = {group: option for group in ("noise", "augment") if (option := facts.options.get(group, "none")) != "none"}
    model = ", ".join(f"{group} `{option}`" for group, option in {**options, **more}.items() if option != "none")
    count = sum(parameter.numel() for parameter in exportable.network.parameters())
    steps = f"{exportable.step:,} steps of batches of {facts.setting('train.batch_size')}"
    ended = facts.summary.get("status")
    state = "" if ended in ("completed", None) else f" (the run is {printable(ended)})"
    return [
        f"- Learned: {facts.dataset}, samples of shape {shape}.",
        f"- Model: {model or type(exportable.network).__name__}; {count:,} parameters, the moving average of training.",
        f"- Training: {steps}, seed {facts.setting('seed')}{state}.",
        f"- Checkpoint: that of step {exportable.step:,} (`--checkpoint {facts.checkpoint_name}`).",
    ]


def evaluation_section(exportable: ExportableNetwork, facts: CardFacts) -> str:
    """Return the measured metrics as a table with their provenance, or how to measure them."""
    figures = facts.evaluation.get("figures")
    rows = [] if not isinstance(figures, dict) else [*_metric_rows(figures)]
    if not rows:
        return "Not measured. `gan-eval RUN_DIR` before the export puts a table here."
    table = ["| metric | value | real samples | better |", "|---|---:|---:|---|", *rows[:MAX_METRICS]]
    text = "\n".join(table)
    more = (
        f" {len(rows) - MAX_METRICS} more metrics are in the run's `evaluation.json`."
        if len(rows) > MAX_METRICS
        else ""
    )
    return f"{text}\n\n{_provenance(facts.evaluation, exportable.step)}{more}"


def limits(facts: CardFacts) -> list[str]:
    """Return the alarms that were raised, and what a metric or the data make doubtful, as lines of a list."""
    raised = [
        f"- Alarm `{printable(alarm.get('name', ''))}` at step {_integer(alarm.get('step'))}:"
        f" {_shortened(alarm.get('message'))}"
        for alarm in facts.alarms
    ]
    if len(raised) > MAX_ALARMS:
        raised = [*raised[:MAX_ALARMS], f"- and {len(raised) - MAX_ALARMS} more alarms."]
    if not raised and not facts.summary:
        raised = ["- The run has no summary: which alarms were raised is not known."]
    elif not raised:
        raised = ["- No alarm was raised while it trained."]
    cautions = (mapping(each).get("caution") for each in mapping(facts.evaluation.get("backbones")).values())
    doubtful = [f"- A metric is doubtful: its backbone {printable(caution)}." for caution in cautions if caution]
    if mapping(facts.evaluation.get("samples")).get("held_out") == 0:
        doubtful.append("- Memorization was not measured: no sample of the data was held out.")
    return [*raised, *doubtful]


def _metric_rows(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield a row for each metric, the most telling ones first."""
    for name in _by_rank(figures):
        figure = mapping(figures[name])
        value, floor = (_number(figure.get(key)) for key in ("value", "floor"))
        better = printable(figure.get("better") or "-").replace("|", "\\|")
        yield f"| `{printable(name).replace('|', '/')}` | {value} | {floor} | {better} |"


def _by_rank(figures: Mapping[str, Any]) -> list[str]:
    """Return the names of metrics, the most telling ones first."""
    infos = metric_infos()

    def rank(name: str) -> int:
        info = infos.get(name.partition("/")[0])
        return UNRANKED if info is None else info.rank

    return sorted(figures, key=rank)


def _provenance(evaluation: Mapping[str, Any], step: int) -> str:
    samples, generator = mapping(evaluation.get("samples")), mapping(evaluation.get("generator"))
    backbones = ", ".join(printable(name) for name in mapping(evaluation.get("backbones")))
    measured = generator.get("step")
    earlier = "" if measured == step else f" of step {_integer(measured)}, not of this network's"
    by = f" by features of {backbones}" if backbones else ""
    version = printable(mapping(evaluation.get("versions")).get("gan_cli", "?"))
    return (
        f"Measured by `gan-eval` of gan_cli {version}{earlier} on {_integer(samples.get('generated'))} samples, seed"
        f' {_integer(evaluation.get("seed"))},{by}; "real samples": what those score in their place.'
    )


def _shortened(message: object) -> str:
    text = printable(message or "no message")
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}..."


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"


def _integer(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else "?"
