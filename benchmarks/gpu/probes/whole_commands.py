"""Probes of whole commands, and of what torch warns of on the way."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator

from benchmarks.gpu import runs
from benchmarks.gpu.commands import call
from benchmarks.gpu.probes.answer import DCGAN, DIGITS, POINTS, Answer
from benchmarks.gpu.setting import Setting

SHORT = ("train.steps=40", "train.log_every=20", "train.sample_every=20", "train.batch_size=32")
WRITER = (
    *("algorithm=seqgan", "dataset=oracle", "dataset.count=256", "algorithm.mle_epochs=1", "algorithm.d_pretraining=1"),
    *("algorithm.d_samples=64", "algorithm.d_steps=1", "train.steps=2", "train.log_every=1"),
)


def commands(setting: Setting) -> Iterator[Answer]:
    """Train, evaluate, sample, benchmark and report, each as a command."""
    device = f"device={setting.device}"
    with tempfile.TemporaryDirectory() as folder:
        run, text = f"{folder}/run", f"{folder}/text"
        rows = {
            "gan-train": ("train", device, *SHORT, "train.eval_every=20", f"hydra.run.dir={run}"),
            "gan-eval": ("evaluate", run, "--n", "200"),
            "gan-sample": ("sample", run, "--n", "4", "--out", f"{folder}/samples.png"),
            "gan-bench": ("bench", device, *POINTS, "--seconds", "0.2"),
            "gan-report": ("report", run),
            "gan-train algorithm=seqgan": ("train", device, *WRITER, f"hydra.run.dir={text}"),
            "gan-eval of a SeqGAN": ("evaluate", text, "--n", "64"),
        }
        for name in list(rows)[:3] if setting.tiny else rows:
            done = call(*rows[name])
            error = "" if done.status == 0 else done.last_line
            yield Answer(name, done.status == 0, {"status": done.status, "seconds": done.seconds, "last_line": error})


def warned(setting: Setting) -> Iterator[Answer]:
    """Collect what torch warns of in ordinary runs: there should be nothing."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for overrides in (DIGITS, DCGAN, (*POINTS, "optimizer=sgd")):
            algorithm = runs.assemble(setting, *overrides)
            runs.advance(algorithm, range(5))
            algorithm.report()
            algorithm.preview()
    messages = sorted({str(each.message).splitlines()[0][:160] for each in caught})
    yield Answer("ordinary runs raise no warning", not messages, {"messages": messages})
