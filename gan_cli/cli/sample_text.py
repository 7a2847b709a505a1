"""Sentences of ``gan-sample``: printed, or written to a file."""

from __future__ import annotations

import argparse
import math
import sys

import numpy as np

from gan_cli.algorithms.spec import spec_of
from gan_cli.cli.numbers import require_memory
from gan_cli.cli.sample_arguments import NOT_OF_TEXT, flag
from gan_cli.errors import ConfigError, printable
from gan_cli.runtime.device import inference_device
from gan_cli.storage.files import writing
from gan_cli.storage.stored_model import StoredModel
from gan_cli.telemetry import run_log

SENTENCES = 16
# Memory for each token, as drawn and joined.
BYTES_PER_TOKEN = 16


def sample_text(arguments: argparse.Namespace, model: StoredModel) -> int:
    """Sample sentences, and print them or write them to a file; returns the exit status."""
    for option in NOT_OF_TEXT:
        if getattr(arguments, option) is not None:
            raise ConfigError(f"{flag(option)}: this run learned text, not images")
    out, count, seed = arguments.out, arguments.n or SENTENCES, arguments.seed or 0
    if out is not None and out.suffix.lower() not in (".txt", ".npy"):
        raise ConfigError(f"--out: expected a name that ends in .txt or .npy for text, got {str(out)!r}")
    with run_log.console():
        trained = spec_of(model).load_text_sampler(model)
        device = inference_device(arguments.device)
        trained.network.to(device)
    require_memory("--n", count, count * math.prod(trained.dataset.shape) * BYTES_PER_TOKEN)
    tokens = trained.sample(count, seed, arguments.temperature or 1.0)
    # One on each line, whatever the words are: line breaks and lone surrogates are escaped.
    sentences = list(map(printable, trained.vocabulary.to_sentences(tokens)))
    if out is None:
        print("\n".join(sentences))
    else:
        with writing(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            if out.suffix.lower() == ".npy":
                np.save(out, tokens)
            else:
                out.write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
        print(printable(out))
    print(f"{count} samples, seed {seed}, step {trained.step}, on {device.type}", file=sys.stderr)
    return 0
