"""Evaluation of a run from Python, with the numbers of ``gan-eval``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gan_cli.config.extras import require_extra
from gan_cli.config.schema import BackboneKind
from gan_cli.errors import ConfigError, did_you_mean, truncated_repr
from gan_cli.evaluation.request import EvaluationRequest
from gan_cli.evaluation.run_evaluation import RunEvaluations
from gan_cli.interface.arguments import checkpoint_choice, seed_number, whole_number
from gan_cli.metrics.registry import MAX_SAMPLES, MIN_SAMPLES
from gan_cli.storage.files import writing
from gan_cli.storage.run_directory import RunDirectory


def evaluate(directory: RunDirectory, request: EvaluationRequest, *, store: bool) -> dict[str, Any]:
    """Measure a run and return the content of ``evaluation.json``; see ``Run.evaluate``."""
    evaluated = RunEvaluations(request)(directory)
    if store:
        directory.write_evaluation(evaluated.document)
        for path, picture in evaluated.pictures.items():
            with writing(path):
                path.parent.mkdir(parents=True, exist_ok=True)
                picture.save(path)
    return evaluated.document


def evaluation_request(
    n: int | None, seed: int, backbone: str | Sequence[str] | None, device: str, checkpoint: str | int
) -> EvaluationRequest:
    """Return checked options of an evaluation; raises ``ConfigError`` for a wrong one."""
    return EvaluationRequest(
        backbones=_backbones(backbone),
        count=None if n is None else whole_number("n", n, MIN_SAMPLES, MAX_SAMPLES),
        seed=seed_number("seed", seed),
        device=device,
        checkpoint=checkpoint_choice(checkpoint),
    )


def _backbones(names: str | Sequence[str] | None) -> tuple[BackboneKind, ...]:
    if names is None:
        return (BackboneKind.auto,)
    kinds = []
    for name in [names] if isinstance(names, str) else names:
        known = [kind.name for kind in BackboneKind if kind is not BackboneKind.auto]
        if name not in known:
            hint = did_you_mean(str(name), known)
            raise ConfigError(f"backbone: expected {' or '.join(known)}, got {truncated_repr(name)}.{hint}")
        kinds.append(BackboneKind[name])
    if BackboneKind.inception in kinds:
        require_extra("backbone inception", "fid")
    return tuple(kinds)
