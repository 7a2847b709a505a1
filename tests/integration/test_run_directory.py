"""What a run leaves behind: the layout and the tags are contracts that users script against."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing import event_multiplexer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from gan_cli.config.diagnostics import ALARMS
from tests.conftest import TINY, Command, FinishedRun

STATISTICS = ("mean", "std", "min", "max", "p05", "p25", "p50", "p75", "p95")
TAGS = {
    "loss/d",
    "loss/g",
    *(f"{name}/{statistic}" for name in ("d_real", "d_fake") for statistic in STATISTICS),
    "d/accuracy_real",
    "d/accuracy_fake",
    "d/auc",
    *(f"diagnosis/{name}" for name in ALARMS if name not in ("discriminator_too_strong", "posterior_collapse")),
    "diagnosis/non_finite",
    "diagnosis/gradient",
    "diagnosis/gradient_deviation",
    "diagnosis/gradient_peak",
    "diagnosis/held_out_gap",
    "diagnosis/diversity",
    "diagnosis/neighbours",
    "diagnosis/told_apart",
    "grad_norm/d",
    "grad_norm/g",
    "noise/sigma",
    "lr/d",
    "lr/g",
    "speed/steps_per_second",
    "speed/images_per_second",
}
# Of losses with a divergence that cannot grow without end, and of those that leave G a choice.
WITH_A_CEILING = {"divergence/ceiling", "diagnosis/discriminator_too_strong"}
WITH_A_CHOICE = {"diagnosis/gradient_saturating", "diagnosis/gradient_non_saturating"}
CADENCE = (
    "train.steps=6",
    "train.batch_size=8",
    "train.log_every=2",
    "train.sample_every=3",
    "train.checkpoint_every=2",
)


@pytest.fixture
def run(finished_run: FinishedRun, workplace: Path) -> Path:
    return finished_run(workplace / "run", *CADENCE, *TINY, "noise=linear", "train.keep_checkpoints=2")


def test_layout(run: Path) -> None:
    files = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    events = {name for name in files if name.startswith("events.out.")}
    assert len(events) == 1
    assert files - events - {".hydra/lock"} == {
        ".hydra/config.yaml",
        ".hydra/hydra.yaml",
        ".hydra/overrides.yaml",
        "train.log",
        "metrics.jsonl",
        "tags.json",
        "summary.json",
        "samples/step_00000000.png",
        "samples/step_00000003.png",
        "samples/step_00000006.png",
        "samples/progress.webp",
        "checkpoints/step_00000004.pt",
        "checkpoints/step_00000006.pt",
        "checkpoints/last.pt",
    }


@pytest.mark.parametrize(("loss", "divergence"), [("jsd", "jsd"), ("minimax", "jsd"), ("wgan", "wasserstein")])
def test_tags(loss: str, divergence: str, gan_train: Command, workplace: Path) -> None:
    assert gan_train(*CADENCE, *TINY, f"loss={loss}", "hydra.run.dir=run").status == 0
    tags = TAGS | {f"divergence/{divergence}", f"divergence/{divergence}_held_out"}
    of_the_jsd = {"game/value"} if divergence == "jsd" else set[str]()
    tags |= WITH_A_CEILING | WITH_A_CHOICE | of_the_jsd if divergence == "jsd" else set()
    described = json.loads(Path("run/tags.json").read_text())
    estimates = {f"divergence/{divergence}", f"divergence/{divergence}_held_out"}
    assert set(described) == {*estimates, "d_real", "d_fake", *of_the_jsd}
    ceiling, unit, score = (math.log(2), "nats", "probability") if divergence == "jsd" else (None, "", "critic value")
    assert described[f"divergence/{divergence}"]["ceiling"] == ceiling
    assert described[f"divergence/{divergence}"]["unit"] == unit
    assert described["d_real"]["unit"] == score
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 6]
    for line in lines:
        assert set(line) == tags | {"step", "time"}
        assert all(isinstance(value, (int, float)) for value in line.values())
    board = EventAccumulator("run").Reload()
    assert set(board.Tags()["scalars"]) == tags
    assert set(board.Tags()["distributions"]) == {"d_real", "d_fake"}
    assert set(board.Tags()["images"]) == {"samples"}
    for tag in tags - {"speed/steps_per_second", "speed/images_per_second"}:
        assert [event.step for event in board.Scalars(tag)] == [2, 4, 6]
        assert [event.value for event in board.Scalars(tag)] == pytest.approx([line[tag] for line in lines])


def test_scores_of_the_jsd_family_are_probabilities(run: Path) -> None:
    for line in map(json.loads, (run / "metrics.jsonl").read_text().splitlines()):
        for name in ("d_real", "d_fake"):
            assert 0 <= line[f"{name}/min"] <= line[f"{name}/mean"] <= line[f"{name}/max"] <= 1
        assert 0 <= line["divergence/jsd"] <= math.log(2)


def test_noise_is_logged_as_it_was_in_force(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    # The report after update number 2 tells of the sigma that update 1 (counted from 0) used.
    assert [line["noise/sigma"] for line in lines] == pytest.approx([0.5 * (1 - step / 6) for step in (1, 3, 5)])


def test_hparams_add_no_extra_runs(run: Path) -> None:
    events = event_multiplexer.EventMultiplexer().AddRunsFromDirectory(str(run.parent))
    assert list(events.Reload().Runs()) == ["run"]
    data = events.SummaryMetadata("run", "_hparams_/session_start_info").plugin_data.content
    info = plugin_data_pb2.HParamsPluginData.FromString(data).session_start_info
    assert info.hparams["loss"].string_value == "jsd"
    assert info.hparams["lr_g"].number_value == pytest.approx(2e-4)
    assert "_hparams_/session_end_info" in events.PluginRunToTagToContent("hparams")["run"]


def test_summary(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["status"] == "completed"
    assert summary["step"] == 6
    assert summary["images_seen"] == 6 * 8
    assert summary["seconds"] > 0
    assert summary["alarms"] == []
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert summary["final"] == {tag: value for tag, value in last.items() if tag not in ("step", "time")}
    assert set(summary["versions"]) == {"gan_cli", "python", "torch", "numpy"}
    assert summary["device"]["kind"] in ("cpu", "cuda", "mps")


def test_images_seen_counts_every_step_of_d(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*CADENCE, *TINY, "loss.d_steps=3", "hydra.run.dir=run").status == 0
    assert json.loads(Path("run/summary.json").read_text())["images_seen"] == 6 * 8 * 3


def test_pictures(run: Path) -> None:
    with Image.open(run / "samples" / "step_00000006.png") as grid:
        assert grid.size[0] > 8 * 8 * 4, "64 digits, each enlarged to be seen"
        assert len(np.unique(np.asarray(grid))) > 2
    with Image.open(run / "samples" / "progress.webp") as animation:
        assert animation.n_frames == 3


def test_tensorboard_shows_the_pictures_that_are_in_the_files(run: Path) -> None:
    shown = EventAccumulator(str(run)).Reload().Images("samples")
    assert [event.step for event in shown] == [0, 3, 6]
    for event in shown:
        file = run / "samples" / f"step_{event.step:08d}.png"
        assert event.encoded_image_string == file.read_bytes()
        with Image.open(file) as grid:
            assert (event.width, event.height) == grid.size


def test_picture_of_the_plane(gan_train: Command, workplace: Path) -> None:
    assert gan_train(*CADENCE, "dataset=ring8", "hydra.run.dir=run").status == 0
    with Image.open("run/samples/step_00000006.png") as scatter:
        assert scatter.mode == "P"  # few colors, a byte for each pixel
        assert scatter.width > scatter.height > 500, "the plane, and the bar of D's scores beside it"


def test_console_says_what_it_does_and_the_log_keeps_it(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*CADENCE, *TINY, "hydra.run.dir=run")
    words_of_a_run = (
        "device: CPU, ",
        "data: 1,708 images to train on",
        "networks: mlp; parameters: generator ",
        "loss jsd, 1 update of D per update of G",
        "training in run",
        "completed at step 6",
        "samples:   gan-sample run",
        "tensorboard --samples_per_plugin images=1000 --logdir run",
        "gan-train resume=run train.steps=12",
    )
    for words in words_of_a_run:
        assert words in done.err
        assert words in Path("run/train.log").read_text()
    metrics = r"loss D \S+  G \S+  D\(x\) \S+  D\(G\(z\)\) \S+  jsd \S+  images/s \S+"
    lines = re.findall(rf"step (\d+)/6  (?:\d+ s left  )?{metrics}", done.err)
    assert lines == ["2", "4", "6"]


def test_divergence_to_infinity_is_reported(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*CADENCE, *TINY, "optimizer.lr=1e30", "hydra.run.dir=run")
    assert done.status == 4, done.err
    assert "diverged" in done.err
    assert "Traceback" not in done.err
    assert json.loads(Path("run/summary.json").read_text())["status"] == "diverged"
    for line in Path("run/metrics.jsonl").read_text().splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


def test_same_seed_same_run_and_another_seed_another(gan_train: Command, workplace: Path) -> None:
    for name, seed in (("one", 0), ("two", 0), ("three", 1)):
        assert gan_train(*CADENCE, *TINY, f"seed={seed}", f"hydra.run.dir={name}").status == 0
    pictures = [Path(name, "samples/step_00000006.png").read_bytes() for name in ("one", "two", "three")]
    assert pictures[0] == pictures[1] != pictures[2]


def test_streamed_data_train_like_resident_data(gan_train: Command, workplace: Path) -> None:
    for placement in ("resident", "streamed"):
        done = gan_train(*CADENCE, *TINY, f"device.data={placement}", f"hydra.run.dir={placement}")
        assert done.status == 0
        assert placement in done.err
    pictures = [Path(name, "samples/step_00000006.png").read_bytes() for name in ("resident", "streamed")]
    assert pictures[0] == pictures[1]


def test_bf16_trains(gan_train: Command, workplace: Path) -> None:
    done = gan_train(*CADENCE, *TINY, "device.precision=bf16", "device.channels_last=true", "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert "forward passes in bf16" in done.err
