"""A run as an object: its files as values, its model as methods. Loads torch only when a method needs it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gan_cli.errors import ConfigError, printable
from gan_cli.interface.arguments import (
    checkpoint_choice,
    named_as_arguments,
    seed_number,
    shown_path,
    truncation_bound,
    whole_number,
)
from gan_cli.interface.metric_table import Columns, metric_table
from gan_cli.storage.run_directory import RunDirectory

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    from omegaconf import DictConfig
    from PIL.Image import Image
    from torch import nn

    from gan_cli.inference.directions import Directions
    from gan_cli.inference.inversion import Inversion
    from gan_cli.interface.drawing import Drawing
    from gan_cli.interface.models import LoadedModels
    from gan_cli.protocols.arrays import FloatArray
    from gan_cli.protocols.callbacks import Callback

# Default numbers of samples and of sentences, and most of them: those of ``gan-sample``.
SAMPLES, SENTENCES, MAX_SAMPLES = 64, 16, 1_000_000
MAX_COLUMNS = 1000
# Defaults of an interpolation and of an inversion.
FRAMES, STARTS, INVERSION_STEPS = 16, 8, 500


class Run:
    """A run directory, and the model that was trained in it; :func:`gan_cli.open` and :func:`gan_cli.train` return it.

    Properties read the files when they are asked for, so that a run that is under way, or is trained on, is shown as it
    is now. Networks are loaded by the first method that needs them and kept. Methods compute on a GPU where there is
    one, unless the run was opened with another ``device``; what they return lies on the CPU.

    A notebook shows a run as its last samples beside a summary.
    """

    def __init__(self, directory: RunDirectory, device: str = "auto") -> None:
        """Keep where a run lies; nothing is read yet.

        Args:
            directory: of the run.
            device: what its networks compute on, ``auto``, ``cpu``, ``cuda`` or ``mps``.
        """
        self._directory = RunDirectory(directory.path.absolute())
        self._device = device
        self._loaded: LoadedModels | None = None

    @property
    def path(self) -> Path:
        """The run directory, as an absolute path; docs/run-directory.md says what its files hold."""
        return self._directory.path

    @property
    def config(self) -> DictConfig:
        """The configuration that the run was trained with: ``run.config.train.steps``.

        Raises:
            ConfigError: it cannot be read.
        """
        return self._directory.stored_config()

    @property
    def summary(self) -> dict[str, Any]:
        """Content of ``summary.json``: status, last and best metrics, alarms, versions; empty before the run ends."""
        return self._directory.stored_summary()

    @property
    def evaluation(self) -> dict[str, Any]:
        """Content of ``evaluation.json``: what was measured last and stored; empty where nothing was."""
        return self._directory.stored_evaluation()

    @property
    def status(self) -> str:
        """``completed``, ``interrupted``, ``stopped``, ``diverged``, ``failed``, ``running``, or ``died``.

        A run that died ended without a summary, or went on after its last one and ended without another.
        """
        if self._directory.is_locked:
            return "running"
        summary = self.summary
        went_on = (self._directory.latest_step or 0) > self._summary_step
        return "died" if went_on or "status" not in summary else printable(summary["status"])

    @property
    def step(self) -> int:
        """Updates made, as far as the files say: those of the summary, or of the latest checkpoint if that is later."""
        return max(self._summary_step, self._directory.latest_step or 0)

    @property
    def checkpoints(self) -> list[int]:
        """Steps whose checkpoints are kept, in ascending order; each may be passed as ``checkpoint``."""
        return self._directory.checkpoint_steps

    @property
    def metrics(self) -> pd.DataFrame | Columns:
        """Metrics over the steps: ``run.metrics["loss/d"]``; docs/tags.md explains the tags.

        With pandas installed, a data frame with a row for each step that was reported, in ascending order, the step as
        its index, and a column for each tag. Without pandas, a dictionary of arrays ``(N,)``, with the steps as
        ``"step"``. NaN where a tag was not reported at a step, as those of evaluations are rarer.

        Raises:
            ConfigError: the file cannot be read.
        """
        return metric_table(self._directory)

    @property
    def generator(self) -> nn.Module:
        """The network that samples are made with, the moving average of its weights, in evaluation mode, on the CPU.

        A GAN's generator and an autoencoder's decoder map ``(N, latent_dim)`` to ``(N, *shape)`` on the scale of
        [-1, 1], with classes ``(N,)`` or vectors ``(N, K)`` as a second argument where the run is conditional. A
        diffusion model's denoiser takes noised samples ``(N, *shape)`` and times ``(N,)`` in place of latents. It is
        one object as long as the run's checkpoints stay the same, apart from that of :meth:`sample`.

        Raises:
            ConfigError: there is no checkpoint, or it does not fit the configuration.
        """
        return self._models.network(checkpoint_choice("last"))

    def sample(
        self,
        n: int | None = None,
        seed: int = 0,
        label: str | int | None = None,
        truncation: float | None = None,
        checkpoint: str | int = "last",
    ) -> FloatArray:
        """Draw images or points, with the numbers of ``gan-sample --n N --seed SEED --out FILE.npy``.

        Args:
            n: number of samples, 1 to 1,000,000; None: 64, or a few more where each class has a row of a grid.
            seed: of the latents, 0 to 2^63 - 1; the same seed gives the same samples.
            label: of a conditional run, the class, by name or number, or the labels or numbers, as
                ``gan-sample --label`` takes them; None: all in turn.
            truncation: greater than 0, bound of the latents' coordinates, which follow the truncated normal
                distribution: 0.7 gives more typical samples, and less different ones; None: no bound. Of models that
                make a sample in one pass.
            checkpoint: ``"last"``, ``"best"``, or a step of :attr:`checkpoints`.

        Returns:
            float32 ``(n, C, H, W)`` of images, in [-1, 1], those of arrays and of more than 8 bits in the units of the
            data; points ``(n, 2)`` and rows of a table ``(n, D)`` in the units of the data.

        Raises:
            ConfigError: an argument is wrong, there is no such checkpoint, or the run learned text.
        """
        with named_as_arguments():
            return self._drawing(n, seed, label, truncation, checkpoint).coordinates()

    def grid(
        self,
        n: int | None = None,
        seed: int = 0,
        label: str | int | None = None,
        truncation: float | None = None,
        checkpoint: str | int = "last",
        columns: int | None = None,
    ) -> Image:
        """Draw samples as a picture without words: a grid of images, a scatter plot of points, or a figure of a table.

        Args:
            n: number of samples; None: as of :meth:`sample`.
            seed: of the latents.
            label: as of :meth:`sample`.
            truncation: as of :meth:`sample`.
            checkpoint: as of :meth:`sample`.
            columns: of a grid; None: about as many as there are rows; of a conditional run, a row for each class.

        Raises:
            ConfigError: as of :meth:`sample`; or the picture would be too large.
        """
        with named_as_arguments():
            width = None if columns is None else whole_number("columns", columns, 1, MAX_COLUMNS)
            return self._drawing(n, seed, label, truncation, checkpoint).picture(width)

    def interpolate(
        self,
        seed_a: int,
        seed_b: int,
        frames: int = FRAMES,
        label: str | int | None = None,
        truncation: float | None = None,
        checkpoint: str | int = "last",
    ) -> FloatArray:
        """Draw samples on the way from the latent of one seed to that of another, along a great circle.

        Args:
            seed_a: where the way begins: its first sample is ``sample(1, seed=seed_a)``, if that has the same label.
            seed_b: where it ends.
            frames: number of samples, both ends included, 2 to 10,000.
            label: as of :meth:`sample`, one for the whole way; None: the first class. A range of numbers
                (``"age=20:60"``) is passed through on the way.
            truncation: as of :meth:`sample`.
            checkpoint: as of :meth:`sample`.

        Returns:
            float32 ``(frames, *shape)`` in the units of :meth:`sample`.

        Raises:
            ConfigError: as of :meth:`sample`; or the model makes a sample in many steps.
        """
        with named_as_arguments():
            seeds = seed_number("seed_a", seed_a), seed_number("seed_b", seed_b)
            bound, choice = truncation_bound(truncation), checkpoint_choice(checkpoint)
            from gan_cli.interface.latent_space import interpolated

            return interpolated(self._models.sampler(choice), seeds, frames, label, bound)

    def invert(
        self,
        images: npt.ArrayLike,
        label: str | int | None = None,
        starts: int = STARTS,
        steps: int = INVERSION_STEPS,
        seed: int = 0,
        checkpoint: str | int = "last",
    ) -> Inversion:
        """Find latents whose samples come closest to images, by gradient descent from several starts.

        Args:
            images: ``(N, *shape)`` as :meth:`sample` returns them, or one of them ``shape``.
            label: their label where the run is conditional; None: the likeliest of all classes is found for each.
            starts: latents that the descent begins from, 1 to 1,000; the best end counts.
            steps: of the descent, 1 to 100,000.
            seed: of the starts.
            checkpoint: as of :meth:`sample`.

        Returns:
            ``latents`` ``(N, latent_dim)``, ``distances`` ``(N,)``, the root mean square differences on the scale of
            [-1, 1], ``reconstructions`` ``(N, *shape)`` in the units of :meth:`sample`, ``start_distances``
            ``(N, starts)``, and ``labels``.

        Raises:
            ConfigError: as of :meth:`interpolate`; or the images have another shape.
        """
        with named_as_arguments():
            choice = checkpoint_choice(checkpoint)
            from gan_cli.interface.latent_space import inversion_settings, inverted

            settings = inversion_settings(starts, steps, seed)
            return inverted(self._models.sampler(choice), images, label, settings)

    def directions(
        self, k: int = 5, label: str | int | None = None, seed: int = 0, checkpoint: str | int = "last"
    ) -> Directions:
        """Compute the directions of the latent space in which samples change most.

        Args:
            k: number of directions, 1 to ``latent_dim``.
            label: as of :meth:`sample`.
            seed: of the latents that the change is averaged over.
            checkpoint: as of :meth:`sample`.

        Returns:
            ``vectors`` ``(k, latent_dim)``, orthonormal, the strongest first; ``strengths`` ``(k,)``, the squared
            change for a unit of the way; ``shares`` ``(k,)`` of the sum over all directions.

        Raises:
            ConfigError: as of :meth:`interpolate`.
        """
        with named_as_arguments():
            seed, choice = seed_number("seed", seed), checkpoint_choice(checkpoint)
            from gan_cli.interface.latent_space import directions

            return directions(self._models.sampler(choice), k, label, seed)

    def sentences(
        self, n: int = SENTENCES, seed: int = 0, temperature: float = 1.0, checkpoint: str | int = "last"
    ) -> list[str]:
        """Draw sentences of a run that learned text, those of ``gan-sample``.

        Args:
            n: number of sentences, 1 to 1,000,000.
            seed: of all random numbers, 0 to 2^63 - 1.
            temperature: greater than 0: below 1 likely words become likelier, above 1 less likely.
            checkpoint: as of :meth:`sample`.

        Raises:
            ConfigError: an argument is wrong, there is no such checkpoint, or the run learned no text.
        """
        with named_as_arguments():
            if not 0 < temperature <= 1e6:
                raise ConfigError(f"temperature: expected a number > 0 and <= 1e+06, got {temperature!r}")
            trained = self._models.text_sampler(checkpoint_choice(checkpoint))
            count, seed = whole_number("n", n, 1, MAX_SAMPLES), seed_number("seed", seed)
            tokens = trained.sample(count, seed, temperature)
            return [printable(sentence) for sentence in trained.vocabulary.to_sentences(tokens)]

    def evaluate(
        self,
        n: int | None = None,
        backbone: str | Sequence[str] | None = None,
        seed: int = 0,
        checkpoint: str | int = "last",
        *,
        store: bool = False,
    ) -> dict[str, Any]:
        """Compare samples with real ones, as ``gan-eval`` does, and return the metrics with all that they depend on.

        Args:
            n: number of samples, 10 to 100,000; None: 10,000, or half of the data if those are fewer; of text 2,000.
            backbone: ``"pixels"``, ``"classifier"`` or ``"inception"``, or several; None: those that suit the data.
            seed: of latents, of labels and of subsets.
            checkpoint: as of :meth:`sample`.
            store: whether ``evaluation.json`` and the picture of nearest neighbours are written into the run directory,
                where ``gan-report`` finds them; by default nothing is written.

        Returns:
            The content of ``evaluation.json``: ``["figures"]["frechet/pixels"]["value"]`` is a metric, with what real
            samples score in its place as ``["floor"]``; ``["samples"]``, ``["backbones"]`` and others are provenance.

        Raises:
            ConfigError: an argument is wrong, there is no such checkpoint, or a backbone needs what is not installed.
            DataError: the data cannot be read, or are others than the run was trained on.
            DivergedError: a sample is not finite.
            OutputError: a file cannot be written.
        """
        from gan_cli.interface import measuring

        with named_as_arguments():
            request = measuring.evaluation_request(n, seed, backbone, self._device, checkpoint)
            return measuring.evaluate(self._directory, request, store=store)

    def resume(
        self,
        *overrides: str,
        callbacks: Sequence[Callback] = (),
        config_dir: str | os.PathLike[str] | None = None,
    ) -> Run:
        """Train the run on from its last checkpoint, in its directory, and return it.

        Args:
            *overrides: changes to what may change, ``"train.steps=2000"`` above all.
            callbacks: as of :func:`gan_cli.train`.
            config_dir: as of :func:`gan_cli.train`.

        Raises:
            ConfigError: an override would change what the run is, or there is no checkpoint; others as of
                :func:`gan_cli.train`.
        """
        from gan_cli.interface.training import train_in_process

        train_in_process([f"resume={self.path}", *overrides], callbacks, config_dir)
        return self

    def __repr__(self) -> str:
        """Return where the run lies and how far it is, on one line."""
        return f"<Run {printable(shown_path(self.path))}: {self.status} at step {self.step:,}>"

    def _repr_html_(self) -> str:
        """Return the last samples and the summary, for a notebook."""
        from gan_cli.interface.html import run_html

        return run_html(self.path, self.status)

    @property
    def _models(self) -> LoadedModels:
        if self._loaded is None:
            from gan_cli.interface.models import LoadedModels

            self._loaded = LoadedModels(self._directory, self._device)
        return self._loaded

    @property
    def _summary_step(self) -> int:
        step = self.summary.get("step")
        return step if isinstance(step, int) else 0

    def _drawing(
        self, n: int | None, seed: int, label: str | int | None, truncation: float | None, checkpoint: str | int
    ) -> Drawing:
        """Return what is to be drawn; raises ``ConfigError`` for a wrong argument before a network is loaded."""
        count = None if n is None else whole_number("n", n, 1, MAX_SAMPLES)
        seed, bound, choice = seed_number("seed", seed), truncation_bound(truncation), checkpoint_choice(checkpoint)
        from gan_cli.interface.drawing import Drawing, chosen_labels

        trained = self._models.sampler(choice)
        labels = chosen_labels(trained, label)
        return Drawing(trained, count or labels.whole_grid(SAMPLES), seed, labels, bound)
