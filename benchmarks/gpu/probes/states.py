"""Probes of states: copied while training goes on, and resumed on another device."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.gpu import runs
from benchmarks.gpu.commands import call
from benchmarks.gpu.probes.answer import DCGAN, POINTS, Answer
from benchmarks.gpu.setting import Setting
from gan_cli.storage.snapshot import snapshot

STEPS = 20


def snapshots(setting: Setting) -> Iterator[Answer]:
    """Copy states to the host between steps: the copies must not hold what a later step has written."""
    algorithm, wrong = runs.assemble(setting, "architecture=dcgan", f"train.batch_size={setting.pick(64, 8)}"), 0
    step = 0
    for _ in range(setting.pick(20, 2)):
        runs.advance(algorithm, range(step, step + 1))
        expected = {name: value.clone() for name, value in algorithm.generator.state_dict().items()}
        taken = snapshot(algorithm.state_dict())
        runs.advance(algorithm, range(step + 1, step + 3))
        step += 3
        found = taken.state()["generator"]
        wrong += any(not torch.equal(found[name], value.cpu()) for name, value in expected.items())
    yield Answer("snapshots hold the state between two steps", wrong == 0, {"wrong": wrong})


def resumed_elsewhere(setting: Setting) -> Iterator[Answer]:
    """Train on the GPU, go on on the CPU, and go back: ``gan-train resume=DIR device=...``."""
    rows = {"points": POINTS, "dcgan, ada": (*DCGAN, "augment=ada"), "vae": ("algorithm=vae", "train.batch_size=16")}
    rows["diffusion"] = ("algorithm=diffusion", "train.batch_size=16")
    with tempfile.TemporaryDirectory() as folder:
        for name in ["points"] if setting.tiny else rows:
            run = Path(folder, name.replace(", ", "_"))
            cadence = (f"train.log_every={STEPS // 2}", "train.sample_every=0", f"train.checkpoint_every={STEPS}")
            places = (setting.device, "cpu", setting.device)
            for turn, device in enumerate(places, start=1):
                first = (f"hydra.run.dir={run}", *cadence, *rows[name]) if turn == 1 else (f"resume={run}",)
                done = call("train", f"device={device}", f"train.steps={turn * STEPS}", *first)
                if done.status:
                    break
            finished = json.loads((run / "summary.json").read_text()) if done.status == 0 else {}
            right = finished.get("step") == len(places) * STEPS
            way = " -> ".join(places[:turn])
            yield Answer(f"resumed on another device: {name}", right, {"way": way, "last_line": done.last_line})
