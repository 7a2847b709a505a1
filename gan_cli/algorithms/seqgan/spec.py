"""Class-level declarations of SeqGAN: networks, alarm rules, charts, trained models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from gan_cli.algorithms.seqgan.alarm_rules import SequenceSettings, sequence_alarm_rules
from gan_cli.algorithms.seqgan.inference import TrainedLanguageModel, load_language_model
from gan_cli.algorithms.spec import AlgorithmSpec, Outline, Parts, Sizes
from gan_cli.algorithms.stored_networks import StoredNetwork
from gan_cli.algorithms.training_data import TrainingSequences
from gan_cli.components.losses import Loss
from gan_cli.config.schema import Config
from gan_cli.diagnostics.rules import AlarmRule
from gan_cli.errors import ConfigError
from gan_cli.inference.exportable import ExportableNetwork
from gan_cli.protocols.architecture import SequenceArchitecture
from gan_cli.protocols.data import Dataset, LoadedData, Sequences
from gan_cli.storage.stored_model import StoredModel


class SeqGANSpec(AlgorithmSpec):
    """Declarations of a language model that is trained against a discriminator, on sequences of tokens."""

    supported_data: ClassVar = (Sequences,)
    step: ClassVar = "an epoch of maximum likelihood, then an epoch of D alone, then an adversarial round"
    eager_because: ClassVar = "a step is a whole epoch or round, whose updates differ from one phase to the next"
    stored_networks: ClassVar = (StoredNetwork("g", ("generator",)), StoredNetwork("d", ("examiner", "reader")))
    charts: ClassVar[Mapping[str, Sequence[str]]] = {
        "Do G's sequences look real to the oracle, and real ones likely to G?": (
            "metrics/nll_oracle",
            "metrics/nll_test",
            "diagnosis/oracle_entropy",
        ),
        "Does G repeat itself?": ("diagnosis/distinct_1", "diagnosis/distinct_2", "diagnosis/distinct_2_real"),
        "Who is ahead?": ("d_real/mean", "d_fake/mean", "reward/mean"),
    }
    notes: ClassVar[Mapping[str, str]] = {
        "metrics/nll_oracle": "The oracle's NLL of G's sequences, in nats a token; lower is better, down to"
        " diagnosis/oracle_entropy. Below that G has collapsed.",
        "metrics/nll_test": "G's NLL of held-out sequences, in nats a token; it rises where G covers less.",
        "diagnosis/oracle_entropy": "The oracle's NLL of its own sequences, in nats a token.",
        "diagnosis/distinct_2": "Distinct pairs of neighbouring tokens in G's sequences, as a share of all pairs.",
        "reward/mean": "D's mean score of the sequences that G is updated with.",
        "phase": "0: G is trained by maximum likelihood; 1: D is trained; 2: both are, adversarially.",
    }
    hparam_metrics: ClassVar[tuple[str, ...]] = ("metrics/nll_oracle", "metrics/nll_test", "diagnosis/distinct_2")

    @classmethod
    def outline(cls, architecture: SequenceArchitecture, sizes: Sizes) -> Outline:
        """Build language model and D on the default device; raises ``ConfigError`` if they do not fit."""
        (length,) = sizes.shape
        language_model, discriminator = (
            architecture.language_model(sizes.vocabulary),
            architecture.discriminator(sizes.vocabulary, length),
        )
        tokens = torch.zeros(2, length, dtype=torch.int64)
        return Outline(
            {"generator": language_model, "discriminator": discriminator},
            lambda: (language_model(tokens), discriminator(tokens)),
        )

    @classmethod
    def split_data(
        cls, source: LoadedData, dataset: Dataset, config: Config, device: torch.device
    ) -> TrainingSequences:
        """Split sequences into training and held-out ones, with their distribution where it is known."""
        return TrainingSequences.split_off(source, dataset, config, device)

    @classmethod
    def alarm_rules(cls, config: Config, parts: Parts) -> list[AlarmRule]:
        """Return the alarm rules for sequences."""
        arguments: Mapping[str, Any] = parts.algorithm.arguments
        settings = SequenceSettings(
            lr_g=parts.optimizer.rate_g,
            lr_d=parts.optimizer.rate_d,
            temperature=arguments["temperature"],
            mle_epochs=arguments["mle_epochs"],
            steps=config.train.steps,
        )
        return sequence_alarm_rules(config.diagnostics, settings)

    @classmethod
    def reports(cls, loss: Loss | None) -> frozenset[str]:
        """Return the tags of both likelihoods."""
        return frozenset(("metrics/nll_oracle", "metrics/nll_test"))

    @classmethod
    def load_text_sampler(cls, model: StoredModel) -> TrainedLanguageModel:
        """Load the language model of a stored model."""
        return load_language_model(model)

    @classmethod
    def load_exportable(cls, model: StoredModel) -> ExportableNetwork:
        """Raise ``ConfigError``: a recurrent network is sampled token by token, not in one pass."""
        raise ConfigError(f"{model.path}: this run learned text; generators of images and points can be exported")
