"""Arguments that several commands take."""

from __future__ import annotations

import argparse

from gan_cli import __version__


def add_device_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, the device that the networks of a finished run compute on."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="what networks compute on; a seed's random numbers are the same on each, results differ by rounding"
        " [auto: a GPU where there is one]",
    )


def version() -> str:
    """Return the line that ``--version`` prints."""
    return f"gan_cli {__version__}"
