"""``gan-sample``: images, points, a latent walk or sentences from a trained generator."""

from __future__ import annotations

import argparse
from typing import NoReturn

from gan_cli.cli.arguments import CommandParser, typed_model
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.cli.sample_arguments import check_arguments, sample_parser


def main() -> NoReturn:
    """Run ``gan-sample`` on the command line of this process."""
    exit_with_status("gan-sample", lambda: _sample(_parser().parse()))


def _parser() -> CommandParser:
    return sample_parser()


def _sample(arguments: argparse.Namespace) -> int:
    # Before anything is loaded, so that a mistake in the command is reported at once.
    check_arguments(arguments)
    model = typed_model("gan-sample", arguments.run, arguments.checkpoint)

    from gan_cli.cli.sample_images import sample_images
    from gan_cli.cli.sample_text import sample_text
    from gan_cli.config.stored_errors import stored_errors
    from gan_cli.inference.loading import learned_sequences

    with stored_errors(model):
        sample = sample_text if learned_sequences(model) else sample_images
        return sample(arguments, model)


if __name__ == "__main__":
    main()
