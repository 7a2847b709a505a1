"""Run directories: read, or written as a run would have left them, or a crash, without training anything."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

CONFIG = {
    "dataset": {"_target_": "gan_cli.datasets.gaussian_mixtures.Ring", "modes": 8, "root": None},
    "algorithm": {"_target_": "gan_cli.algorithms.gan.trainer.GANTrainer"},
    "loss": {"objective": {"_target_": "gan_cli.components.losses.NonSaturating"}, "d_steps": 1},
    "noise": None,
    "optimizer": {"lr": 2.0e-4, "lr_g": "${.lr}"},
    "train": {"steps": 100, "log_every": 10},
    "seed": 0,
}
OBJECTIVES = {"jsd": "NonSaturating", "wgan": "Wasserstein"}
DIVERGENCES = {"jsd": "jsd", "wgan": "wasserstein"}
TAGS: dict[str, dict[str, object]] = {
    "jsd": {"divergence/jsd": {"unit": "nats", "better": "lower", "ceiling": math.log(2)}}
    | {name: {"unit": "probability"} for name in ("d_real", "d_fake")},
    "wgan": {"divergence/wasserstein": {"unit": "", "better": "lower", "ceiling": None}}
    | {name: {"unit": "critic value"} for name in ("d_real", "d_fake")},
}


def read_summary(run: Path | str = "run") -> dict[str, Any]:
    content: dict[str, Any] = json.loads(Path(run, "summary.json").read_text())
    return content


def read_metrics(run: Path | str = "run") -> list[dict[str, Any]]:
    """What was reported, a step each."""
    return [json.loads(line) for line in Path(run, "metrics.jsonl").read_text().splitlines()]


def has_reported(run: Path, step: int) -> Callable[[], bool]:
    """Whether ``metrics.jsonl`` has come to a step."""
    file = run / "metrics.jsonl"
    return lambda: file.exists() and f'{{"step": {step},' in file.read_text()


def wait_for(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.002)


def write_run(
    path: Path,
    *,
    loss: str = "jsd",
    lr: float = 2.0e-4,
    seed: int = 0,
    figures: Mapping[str, Sequence[float]] | None = None,
    status: str | None = "completed",
    overrides: Sequence[str] = (),
    **more: Any,
) -> Path:
    """Write a run that has reported at steps 10, 20, ...

    Args:
        path: its directory.
        loss: ``jsd`` or ``wgan``.
        lr: ``optimizer.lr``.
        seed: ``seed``.
        figures: tag -> values in the order of the steps; the divergence of its loss, 0.5 to 0.3, by default.
        status: of ``summary.json``; None: there is none.
        overrides: beside those that set the arguments above.
        more: keys of ``summary.json`` (``alarms``), and ``config``, which replaces sections of the configuration.
    """
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    config["loss"]["objective"]["_target_"] = f"gan_cli.components.losses.{OBJECTIVES[loss]}"
    config["optimizer"]["lr"], config["seed"] = lr, seed
    config.update(more.pop("config", {}))
    choices = {"dataset": "ring8", "loss": loss, "noise": "none", "hydra/launcher": "basic"}
    stated = [f"loss={loss}", f"optimizer.lr={lr}", f"seed={seed}", *overrides]
    hydra = path / ".hydra"
    hydra.mkdir(parents=True)
    (hydra / "config.yaml").write_text(yaml.safe_dump(config))
    (hydra / "overrides.yaml").write_text(yaml.safe_dump(stated))
    (hydra / "hydra.yaml").write_text(yaml.safe_dump({"runtime": {"choices": choices}}))

    figures = {f"divergence/{DIVERGENCES[loss]}": (0.5, 0.2, 0.3)} if figures is None else figures
    count = max(map(len, figures.values()), default=0)
    lines = []
    for place in range(count):
        reported = {tag: values[place] for tag, values in figures.items() if place < len(values)}
        lines.append(json.dumps({"step": 10 * place + 10, "time": 0.0, "speed/steps_per_second": 5.0, **reported}))
    (path / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (path / "tags.json").write_text(json.dumps(TAGS[loss]))
    (path / "samples").mkdir()
    Image.new("RGB", (32, 16), (200, 30, 30)).save(path / "samples" / f"step_{10 * count:08d}.png")
    if status is not None:
        final = {tag: values[-1] for tag, values in figures.items()}
        summary = {"status": status, "step": 10 * count, "seconds": 7.5, "final": final, "best": {}, "alarms": []}
        (path / "summary.json").write_text(json.dumps({**summary, **more}))
    return path


def write_sweep(path: Path) -> Path:
    """Two losses, two learning rates, three seeds; the last figure of ``frechet/pixels`` tells them apart."""
    for number, (loss, lr, seed) in enumerate(
        (loss, lr, seed) for loss in ("jsd", "wgan") for lr in (2e-4, 1e-3) for seed in (0, 1, 2)
    ):
        run = write_run(path / str(number), loss=loss, lr=lr, seed=seed)
        figure = {"jsd": 1.0, "wgan": 3.0}[loss] + 1000 * lr + 0.1 * seed**2
        figures = {"frechet/pixels": {"value": figure, "floor": 0.1, "better": "lower", "what": "a distance"}}
        (run / "evaluation.json").write_text(json.dumps({"figures": figures, "samples": {"generated": 9}}))
    return path
