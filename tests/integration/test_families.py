"""The models beside the GANs: each trains, resumes bitwise equal, sweeps, samples, is evaluated and reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Command, FinishedRun
from tests.helpers.families import FAMILIES
from tests.helpers.paths import ROOT
from tests.soak.equality import same_run

# A column of the report.
COLUMN = {
    "vae": "vae/elbo",
    "autoencoder": "autoencoder/reconstruction",
    "diffusion": "diffusion/loss_held_out",
    "oracle": "metrics/nll_oracle",
    "text": "metrics/nll_test",
}
REPORTED = {
    "vae": {"vae/elbo", "vae/elbo_held_out", "vae/reconstruction", "vae/kl", "vae/active_units", "vae/beta"},
    "autoencoder": {"autoencoder/reconstruction", "autoencoder/reconstruction_held_out"},
    "diffusion": {"loss/total", "diffusion/loss_held_out", "diffusion/explained", "grad_norm/g"},
    "oracle": {"metrics/nll_oracle", "metrics/nll_test", "diagnosis/oracle_entropy", "diagnosis/distinct_2"},
    "text": {"metrics/nll_test", "diagnosis/distinct_2"},
}
# Panels beside the samples; families without an entry write text.
PANELS = {
    "vae": {"reconstructions", "interpolations", "manifold"},
    "autoencoder": {"reconstructions", "interpolations", "manifold"},
    "diffusion": {"reverse"},
}
pytestmark = pytest.mark.usefixtures("remembered_entropy")


@pytest.mark.parametrize("family", FAMILIES)
def test_resumed_run_is_the_undisturbed_one(
    family: str, trained: Command, finished: FinishedRun, gan_train: Command
) -> None:
    """Three stops, one in each phase of a language model."""
    finished(family, "whole", 6)
    done = trained(family, "train.steps=1", "hydra.run.dir=parts")
    assert done.status == 0, done.err
    for steps in (3, 5, 6):
        done = gan_train("resume=parts", f"train.steps={steps}")
        assert done.status == 0, done.err
    same_run(Path("parts"), Path("whole"))


@pytest.mark.parametrize("family", FAMILIES)
def test_run_reports_the_metrics_of_its_algorithm(family: str, finished: FinishedRun) -> None:
    finished(family, "run", 6)
    final = json.loads(Path("run/summary.json").read_text())["final"]
    assert REPORTED[family] <= final.keys()
    assert "diagnosis/non_finite" in final
    kind = "png" if family in PANELS else "txt"
    assert Path(f"run/samples/step_00000006.{kind}").exists()
    panels = {file.name.partition("_step")[0] for file in Path("run/samples").glob("*_step_00000006.png")}
    assert panels == PANELS.get(family, set())


@pytest.mark.parametrize("family", FAMILIES)
def test_run_is_sampled_and_reported(family: str, trained: Command, gan_sample: Command, gan_report: Command) -> None:
    assert trained(family, "-m", "seed=0,1", "train.steps=5", "hydra.sweep.dir=sweep").status == 0
    jobs = sorted(path.parent for path in Path("sweep").glob("*/summary.json"))
    assert len(jobs) == 2
    done = gan_sample(jobs[0], "--n", 3)
    assert done.status == 0, done.err
    if family in ("oracle", "text"):
        assert len(done.out.splitlines()) == 3
        assert gan_sample(jobs[0], "--n", 3).out == done.out
        assert gan_sample(jobs[0], "--n", 3, "--seed", 1).out != done.out
    else:
        assert Path("grid.png").exists()
    report = gan_report("sweep")
    assert report.status == 0, report.err
    assert COLUMN[family] in report.out
    assert gan_report("sweep", "--html", "page.html").status == 0
    page = Path("page.html").read_text()
    assert "Last samples" in page
    assert ('class="quote"' in page) == (family in ("oracle", "text"))


@pytest.mark.parametrize(
    ("family", "override", "words"),
    [
        ("vae", "loss=wgan", ["loss: expected none for VAE", "Wasserstein"]),
        ("autoencoder", "loss.d_steps=5", ["loss.d_steps: expected 1"]),
        ("vae", "loss.warmup.first=3", ["loss.warmup.first: expected 25 for VAE"]),
        ("vae", "loss/penalty=r1", ["loss.penalty: expected null"]),
        ("vae", "noise=linear", ["noise: expected none for VAE", "Linear"]),
        ("oracle", "noise=constant", ["noise: expected none for SeqGAN", "Constant"]),
        ("oracle", "loss=hinge", ["loss: expected none for SeqGAN", "Hinge"]),
        ("vae", "augment=diffaugment", ["augment: expected none for VAE"]),
        ("vae", "conditional=true", ["conditional: expected false for VAE"]),
        ("oracle", "pac=2", ["pac: expected 1 for SeqGAN"]),
        ("oracle", "ema.half_life=10", ["ema.half_life: expected 50.0 for SeqGAN"]),
        ("vae", "train.replicas=2", ["train.replicas: expected 1 for VAE"]),
        ("vae", "optimizer.lr_d=1", ["optimizer.lr_d: expected optimizer.lr for vae"]),
        ("vae", "architecture=dcgan", ["architecture: expected one for VAE (vae, vae_conv), got DCGAN"]),
        ("oracle", "architecture=mlp", ["architecture: expected one for SeqGAN (lstm), got MLP"]),
        ("diffusion", "loss=wgan", ["loss: expected none for Diffusion", "Wasserstein"]),
        ("diffusion", "noise=linear", ["noise: expected none for Diffusion", "Linear"]),
        ("diffusion", "pac=2", ["pac: expected 1 for Diffusion"]),
        ("diffusion", "optimizer.lr_g=1", ["optimizer.lr_g: expected optimizer.lr for diffusion"]),
        ("diffusion", "architecture=dcgan", ["expected one for Diffusion (denoiser_mlp, unet), got DCGAN"]),
        (
            "diffusion",
            "dataset=text",
            ["images or rows or density for Diffusion, got", "algorithm=seqgan"],
        ),
        ("diffusion", "algorithm.sampling_steps=2000", ["algorithm.sampling_steps: expected an integer from 1 to"]),
        ("diffusion", "algorithm.guidance=2", ["algorithm.guidance: expected 1 without conditional=true, got 2"]),
        ("diffusion", "algorithm.prediction=x", ["algorithm.prediction: expected epsilon or v, got 'x'"]),
        (
            "diffusion",
            "algorithm.reverse.variance=large",
            ["algorithm.reverse.variance: expected posterior or"],
        ),
        ("diffusion", "sweep.metric=loss/g", ["sweep.metric"]),
        (
            "vae",
            "dataset=oracle",
            ["images or rows or density for VAE, got Oracle", "algorithm=seqgan"],
        ),
        ("oracle", "dataset=digits", ["dataset: expected sequences for SeqGAN, got Digits"]),
        ("oracle", "evaluation.backbone=pixels", ["evaluation.backbone: expected auto for sequences"]),
        ("vae", "sweep.metric=divergence/jsd", ["this run reports vae/elbo, not divergence/jsd"]),
    ],
)
def test_settings_an_algorithm_does_not_support_are_rejected(
    family: str, override: str, words: list[str], gan_train: Command, workplace: Path
) -> None:
    given = [item for item in FAMILIES[family] if not (item.startswith("dataset") and "dataset=" in override)]
    given = [item for item in given if not (item.startswith("architecture.") and "architecture=" in override)]
    done = gan_train(*given, override)
    assert done.status == 2, done.err
    (line,) = (line for line in done.err.splitlines() if line.startswith("gan-train: "))
    assert all(word in line for word in words), line
    assert not list(workplace.iterdir())


@pytest.mark.parametrize(
    ("family", "figure"),
    [("oracle", "bleu_2"), ("text", "backward_perplexity"), ("vae", "sharpness"), ("diffusion", "sharpness")],
)
def test_samples_are_measured_while_a_family_trains(family: str, figure: str, trained: Command) -> None:
    more = ("train.steps=4", "train.eval_every=2", "evaluation.samples=20", "train.held_out=0.3")
    backbone = ["evaluation.backbone=pixels"] if family in PANELS else []
    done = trained(family, *more, *backbone, "hydra.run.dir=run")
    assert done.status == 0, done.err
    lines = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    measured = [line["step"] for line in lines if f"metrics/{figure}" in line]
    assert measured == [2, 4]
    steps = [line["step"] for line in lines if "metrics/nll_oracle" in line]
    assert steps == ([1, 2, 3, 4] if family == "oracle" else []), "once a report"


@pytest.mark.parametrize("family", ["vae", "oracle"])
def test_finished_run_is_evaluated(family: str, finished: FinishedRun, gan_eval: Command) -> None:
    finished(family, "run", 6)
    backbone = ["--backbone", "pixels", "--likelihood", 4] if family == "vae" else []
    done = gan_eval("run", "--n", 20, *backbone)
    assert done.status == 0, done.err
    figures = json.loads(Path("run/evaluation.json").read_text())["figures"]
    assert {"vae": {"elbo", "iwae_50", "iwae_5000"}, "oracle": {"nll_oracle", "nll_test", "self_bleu_2"}}[
        family
    ] <= set(figures)
    if family == "vae":
        measures = json.loads(Path("run/evaluation.json").read_text())["measures"]
        assert measures["likelihood"]["standard_errors"]["iwae_50"] > 0
        assert figures["elbo"]["value"] <= figures["iwae_50"]["value"] <= figures["iwae_5000"]["value"]


def test_every_tag_of_a_family_is_explained(finished: FinishedRun) -> None:
    pages = "".join(
        (ROOT / name).read_text() for name in ("docs/tags.md", "docs/vae.md", "docs/text.md", "docs/diffusion.md")
    )
    for family in FAMILIES:
        finished(family, family, 6)
        final = json.loads(Path(family, "summary.json").read_text())["final"]
        unknown = {
            tag for tag in final if f"`{tag}`" not in pages and not tag.startswith(("diagnosis/", "d_real/", "d_fake/"))
        }
        assert not unknown, family


def test_gan_needs_a_loss(gan_train: Command) -> None:
    done = gan_train("loss=none")
    assert (done.status, "loss: expected a loss for GANTrainer" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("family", "title"), [("vae", "Decoder of a VAE"), ("autoencoder", "Decoder of an autoencoder")]
)
def test_decoder_is_exported(family: str, title: str, finished: FinishedRun, gan_export: Command) -> None:
    finished(family, "run", 6)
    done = gan_export("run", "--format", "safetensors", "--out", "here")
    assert done.status == 0, done.err
    assert f"# {title}: digits\n" in Path("here/README.md").read_text()


@pytest.mark.parametrize("family", ["vae", "autoencoder", "diffusion"])
def test_sample_of_a_seed_is_the_first_one_of_its_own(family: str, finished: FinishedRun, gan_sample: Command) -> None:
    finished(family, "run", 6)
    done = gan_sample("run", "--seeds", "4,2", "--out", "both.npy")
    assert done.status == 0, done.err
    for row, seed in enumerate((4, 2)):
        assert gan_sample("run", "--seed", seed, "--n", 1, "--out", "one.npy").status == 0
        np.testing.assert_allclose(np.load("both.npy")[row], np.load("one.npy")[0], atol=1e-5)


@pytest.mark.parametrize("family", ["vae", "autoencoder"])
def test_latent_space_of_a_decoder(family: str, finished: FinishedRun, gan_sample: Command) -> None:
    finished(family, "run", 6)
    assert gan_sample("run", "--seeds", "1-2", "--truncation", 0.5, "--out", "some.npy").status == 0
    done = gan_sample("run", "--invert", "some.npy")
    assert done.status == 0, done.err
    assert np.load("inversion.npy").shape == (2, 2)
    assert gan_sample("run", "--directions", 2).status == 0
    assert np.load("directions.npy").shape == (2, 2)


@pytest.mark.parametrize(
    ("family", "option", "words"),
    [
        ("text", ["--label", 1], "--label"),
        ("text", ["--out", "grid.png"], ".txt or .npy"),
        ("vae", ["--temperature", 2], "--temperature"),
        ("vae", ["--out", "grid.txt"], ".npy"),
        ("text", ["--temperature", 0], "--temperature: expected a number > 0"),
        ("text", ["--seeds", "1-3"], "--seeds: this run learned text"),
        ("text", ["--invert", "a.png"], "--invert: this run learned text"),
        ("diffusion", ["--invert", "a.png"], "--invert: this takes a generator that maps a latent"),
        ("diffusion", ["--directions", 2], "--directions: this takes a generator"),
        ("diffusion", ["--latents", "z.npy"], "--latents: this takes a generator"),
        ("diffusion", ["--truncation", 0.7], "--truncation: this takes a generator"),
        ("diffusion", ["--walk", "a.gif", "--seeds", "1,2"], "--walk with --seeds 1-2: this takes a generator"),
    ],
)
def test_wrong_way_to_sample(
    family: str, option: list[object], words: str, finished: FinishedRun, gan_sample: Command
) -> None:
    finished(family, "run", 6)
    done = gan_sample("run", *option)
    assert (done.status, words in done.err) == (2, True), done.err
