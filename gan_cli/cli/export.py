"""``gan-export``: the generator of a run in a file for use elsewhere, with a card that describes it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from gan_cli.cli.arguments import CommandParser, add_checkpoint_option, add_run_argument, typed_run, version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.config.extras import EXPORT_PACKAGES, require_extra
from gan_cli.errors import ConfigError, printable


def main() -> NoReturn:
    """Run ``gan-export`` on the command line of this process."""
    exit_with_status("gan-export", lambda: _export(_parser().parse()))


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="gan-export",
        description="Write the generator (its moving average) of a run, and a model card (README.md) that says what it"
        " is, how good it is (gan-eval) and how to sample from it without gan_cli.",
    )
    add_run_argument(parser)
    add_checkpoint_option(parser)
    parser.add_argument(
        "--format",
        choices=tuple(EXPORT_PACKAGES),
        help="safetensors: the weights, with config.json; onnx: the network for ONNX Runtime; torch: the network for"
        " torch.export.load",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the files [RUN_DIR/export/<format>]")
    parser.add_argument("--version", action="version", version=version())
    return parser


def _export(arguments: argparse.Namespace) -> int:
    from omegaconf import OmegaConf

    from gan_cli.inference import export_folder

    directory, kind = typed_run("gan-export", arguments.run), arguments.format
    if kind is None:
        raise ConfigError(f"--format: expected {' or '.join(EXPORT_PACKAGES)}, such as --format safetensors")
    config = directory.stored_config()
    folder = arguments.out or directory.path / "export" / kind
    export_folder.check_folder(folder)
    require_extra(f"--format {kind}", "export", EXPORT_PACKAGES[kind])

    # torch and what needs it are imported once the command is known to be right
    from gan_cli.algorithms.spec import spec_of
    from gan_cli.config.stored_errors import stored_errors
    from gan_cli.inference import export_formats, model_card
    from gan_cli.inference.card_facts import CardFacts
    from gan_cli.storage.stored_model import RunCheckpoint
    from gan_cli.telemetry import run_log

    with run_log.console(), stored_errors(directory):
        exportable = spec_of(directory).load_exportable(RunCheckpoint(directory, arguments.checkpoint))
    architecture: Any = OmegaConf.to_container(config.architecture, resolve=True)
    exported = export_formats.FORMATS[kind](exportable, architecture)
    with run_log.console():
        facts = CardFacts.from_run(directory, exportable.dataset)
    text = model_card.model_card(exportable, kind, exported, facts)
    beside = {export_folder.CONFIGURATION: OmegaConf.to_yaml(config).encode()}
    if facts.picture is not None:
        beside[export_folder.PICTURE] = facts.picture.png
    # The card first: it marks the folder as one that the next export may write over.
    export_folder.write_folder(folder, {export_folder.CARD: text.encode(), **exported.files, **beside})
    print(printable(folder))
    files = ", ".join([*exported.files, export_folder.CARD, *beside])
    print(f"{exportable.kind} of step {exportable.step}: {files}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    main()
