"""Runs that learn text: what they write, their vocabulary, and text that cannot be learned."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_cli.algorithms.seqgan.inference import load_language_model
from gan_cli.storage.run_directory import RunDirectory
from gan_cli.storage.stored_model import RunCheckpoint
from tests.conftest import Command, FinishedRun
from tests.helpers.families import FAMILIES, TEXT

pytestmark = pytest.mark.usefixtures("remembered_entropy")


def test_sentences_are_written_to_files(finished: FinishedRun, gan_sample: Command) -> None:
    finished("text", "run", 6)
    assert gan_sample("run", "--n", 7, "--out", "deep/lines.txt").status == 0
    assert gan_sample("run", "--n", 7, "--out", "tokens.npy").status == 0
    lines, tokens = Path("deep/lines.txt").read_text().splitlines(), np.load("tokens.npy")
    assert tokens.shape == (7, 5)
    assert load_language_model(RunCheckpoint(RunDirectory(Path("run")))).vocabulary.to_sentences(tokens) == lines


def with_words(run: str, **changes: object) -> None:
    """Change the vocabulary in the checkpoints of a run."""
    for file in Path(run, "checkpoints").glob("*.pt"):
        state = torch.load(file, weights_only=True)
        state["algorithm"].update(changes)
        torch.save(state, file)


def test_words_that_no_terminal_should_get_are_escaped(finished: FinishedRun, gan_sample: Command) -> None:
    finished("text", "run", 2)
    words = load_language_model(RunCheckpoint(RunDirectory(Path("run")))).vocabulary.words
    with_words("run", words=[f"{word}\x1b[2J\n\udcff" for word in words])
    printed, written = gan_sample("run", "--n", 5), gan_sample("run", "--n", 5, "--out", "lines.txt")
    assert (printed.status, written.status) == (0, 0)
    assert printed.out.splitlines() == Path("lines.txt").read_text().splitlines()
    assert len(printed.out.splitlines()) == 5
    assert "\\x1b[2J\\n\\xff" in printed.out
    assert printed.out.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "changes",
    [
        {"end": 10**30},
        {"end": -1},
        {"end": "x"},
        {"words": ["x" * 10**6] * 6},
        {"words": [1, 2]},
        {"words": []},
        {"between": None},
    ],
)
def test_damaged_vocabulary_costs_one_line(
    changes: dict[str, object], finished: FinishedRun, gan_sample: Command
) -> None:
    finished("text", "run", 2)
    with_words("run", **changes)
    done = gan_sample("run", "--n", 2)
    assert (done.status, len(done.err.splitlines())) == (2, 1), done.err


def test_low_temperature_samples_the_likeliest_words(finished: FinishedRun, gan_sample: Command) -> None:
    finished("oracle", "run", 2)
    done = gan_sample("run", "--n", 5, "--temperature", "1e-4")
    assert done.status == 0, done.err
    assert len(set(done.out.splitlines())) == 1


def test_language_model_nll_is_that_of_torch(finished: FinishedRun) -> None:
    finished("text", "run", 2)
    writer = load_language_model(RunCheckpoint(RunDirectory(Path("run"))))
    tokens = torch.from_numpy(writer.sample(20, seed=3))
    logs = writer.network(tokens).log_softmax(2).gather(2, tokens[:, :, None]).squeeze(2)
    for row, (each, found) in enumerate(zip(tokens.tolist(), writer.nll(tokens), strict=True)):
        length = each.index(0) + 1 if 0 in each else len(each)
        assert float(found) == pytest.approx(-float(logs[row, :length].mean()), rel=1e-5)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "lines.txt"),
        (b"one line only\n", "lines.txt"),
        (b"fine\nalso fine\nnot \xff\xfe so\n", "line 3"),
        (None, "lines.txt"),
    ],
    ids=["empty", "one line", "no UTF-8", "no file"],
)
def test_text_that_cannot_be_learned_costs_one_line(
    content: bytes | None, words: str, gan_train: Command, workplace: Path
) -> None:
    if content is not None:
        Path("lines.txt").write_bytes(content)
    before = sorted(workplace.iterdir())
    done = gan_train(*FAMILIES["text"])
    assert done.status == 3, done.err
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
    assert words in line
    assert "Traceback" not in done.err
    assert sorted(workplace.iterdir()) == before


def test_lines_that_are_cut_are_counted(trained: Command) -> None:
    Path("lines.txt").write_text(TEXT * 5 + "much longer than all of the other lines are\n" * 3)
    done = trained("text", "train.steps=1", "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert "3 of 63 " in Path("run/train.log").read_text()


def test_oracle_of_other_shapes_costs_one_line(gan_train: Command, workplace: Path) -> None:
    folder = Path(os.environ["GAN_DATA"]) / "seqgan"
    folder.mkdir(parents=True)
    np.savez(folder / "oracle_lstm.npz", embedding=np.zeros((7, 32), np.float32))
    done = gan_train(*FAMILIES["oracle"])
    assert done.status == 3, done.err
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
    assert all(word in line for word in ("oracle_lstm.npz", "embedding", "(7, 32)", "(5000, 32)")), line
    assert not list(workplace.iterdir())


def test_text_is_not_exported(finished: FinishedRun, gan_export: Command) -> None:
    finished("text", "run", 6)
    done = gan_export("run", "--format", "safetensors")
    assert (done.status, "this run learned text" in done.err) == (2, True)
