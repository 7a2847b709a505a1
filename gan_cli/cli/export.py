"""``gan-export``: the generator of a run in a file for use elsewhere, with a card that describes it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gan_cli.cli.arguments import CommandParser, add_checkpoint_option, add_run_argument, typed_run, version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.config.extras import EXPORT_PACKAGES, require_extra
from gan_cli.errors import ConfigError, printable
from gan_cli.inference import export_folder, hub
from gan_cli.inference.exported_model import FILES, ExportedModel, find_exported
from gan_cli.storage.checkpoint_choice import NamedCheckpoint

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from gan_cli.inference.card_facts import CardFacts, CardPicture
    from gan_cli.inference.export_formats import Exported
    from gan_cli.inference.exportable import ExportableNetwork
    from gan_cli.storage.stored_model import RunCheckpoint, StoredModel

# The format of folders for the Hugging Face Hub, and how many samples are drawn for its card.
HUB, SHOWN = "hub", 64


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
        " torch.export.load; hub: a folder for the Hugging Face Hub, which gan-sample takes as a run",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the files [RUN_DIR/export/<format>]")
    parser.add_argument(
        "--push",
        metavar="OWNER/NAME",
        help="push the folder of --format hub to the Hugging Face Hub, by your own login (hf auth login, or HF_TOKEN);"
        " with such a folder in the place of RUN_DIR, that one as it is",
    )
    parser.add_argument("--private", action="store_true", help="of --push: for your eyes alone")
    parser.add_argument("--version", action="version", version=version())
    return parser


def _export(arguments: argparse.Namespace) -> int:
    kind = _kind(arguments)
    exported = None if arguments.run is None else find_exported(arguments.run)
    if exported is not None:
        return _push_again(arguments, exported)
    directory = typed_run("gan-export", arguments.run)
    if kind is None:
        raise ConfigError(f"--format: expected {' or '.join(EXPORT_PACKAGES)}, such as --format safetensors")
    directory.stored_config()
    folder = arguments.out or directory.path / "export" / kind
    export_folder.check_folder(folder)
    extra, packages = EXPORT_PACKAGES[kind]
    require_extra(f"--format {kind}", extra, packages)
    if arguments.push is not None:
        hub.require_login("--push")

    # torch and what needs it are imported once the command is known to be right
    from gan_cli.config.stored_errors import stored_errors
    from gan_cli.storage.stored_model import RunCheckpoint
    from gan_cli.telemetry import run_log

    model = RunCheckpoint(directory, arguments.checkpoint)
    with run_log.console(), stored_errors(directory):
        files, description = _files(model, kind, arguments.push)
    # The card first: it marks the folder as one that the next export may write over.
    export_folder.write_folder(folder, files)
    print(printable(folder))
    print(f"{description}: {', '.join(files)}", file=sys.stderr)
    if arguments.push is not None:
        print(hub.push(folder, [*files], arguments.push, f"gan-export: {description}", private=arguments.private))
    return 0


def _push_again(arguments: argparse.Namespace, exported: ExportedModel) -> int:
    """Push the folder of an earlier export as it is, with what was written into its card since."""
    if arguments.push is None:
        raise ConfigError(f"{exported.path} is an export already; --push OWNER/NAME pushes it as it is")
    if arguments.out is not None or arguments.checkpoint is not NamedCheckpoint.last:
        option = "--checkpoint" if arguments.out is None else "--out"
        raise ConfigError(f"{option}: expected with a run; {exported.path} is an export already")
    exported.description()
    exported.stored_config()
    hub.require_login("--push")
    found = [name for name in (export_folder.CARD, *FILES, export_folder.PICTURE) if (exported.path / name).is_file()]
    print(f"as it is: {', '.join(found)}", file=sys.stderr)
    print(hub.push(exported.path, found, arguments.push, "gan-export", private=arguments.private))
    return 0


def _kind(arguments: argparse.Namespace) -> str | None:
    """Return the format, which ``--push`` implies; raises ``ConfigError`` for options that do not go together."""
    kind: str | None = arguments.format
    if arguments.push is None:
        if arguments.private:
            raise ConfigError("--private: expected with --push OWNER/NAME")
        return kind
    hub.require_repository("--push", arguments.push)
    if kind not in (None, HUB):
        raise ConfigError(f"--push: expected with --format {HUB}, got --format {kind}")
    return HUB


@dataclass(frozen=True)
class _Content:
    """Files that an export format makes of a stored network, with the configuration and the picture beside them."""

    exported: Exported
    config: DictConfig
    picture: CardPicture | None


def _files(model: RunCheckpoint, kind: str, repository: str | None) -> tuple[dict[str, bytes], str]:
    """Return the files of an export by name, the card first, and a few words for what it is of."""
    from omegaconf import OmegaConf

    from gan_cli.algorithms.spec import spec_of
    from gan_cli.inference import model_card
    from gan_cli.inference.card_facts import CardFacts

    exportable = spec_of(model).load_exportable(model)
    facts = CardFacts.from_run(model.directory, exportable.dataset, exportable.step, model.choice, repository)
    content = (_hub_content if kind == HUB else _plain_content)(model, exportable, kind, facts)
    facts = replace(facts, picture=content.picture)
    files = {
        export_folder.CARD: model_card.model_card(exportable, kind, content.exported, facts).encode(),
        **content.exported.files,
        export_folder.CONFIGURATION: OmegaConf.to_yaml(content.config).encode(),
    }
    if content.picture is not None:
        files[export_folder.PICTURE] = content.picture.png
    return files, f"{exportable.kind} of step {exportable.step}"


def _plain_content(model: RunCheckpoint, exportable: ExportableNetwork, kind: str, facts: CardFacts) -> _Content:
    from gan_cli.inference import export_formats

    config = model.stored_config()
    return _Content(export_formats.FORMATS[kind](exportable, _architecture(config)), config, facts.picture)


def _hub_content(model: RunCheckpoint, exportable: ExportableNetwork, kind: str, facts: CardFacts) -> _Content:
    from gan_cli.inference import hub_format

    config, state = model.stored_config(), model.load_state()
    exported = hub_format.as_hub(exportable, _architecture(config), state=state, checkpoint=facts.checkpoint_name)
    of_this_step = facts.picture is not None and facts.picture.step == exportable.step
    picture = facts.picture if of_this_step else _drawn(model, exportable.step)
    return _Content(exported, hub_format.public_config(config), picture)


def _architecture(config: DictConfig) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(config.architecture, resolve=True)


def _drawn(model: StoredModel, step: int) -> CardPicture:
    """Draw the samples of a card for whose step the run has none: the grid of ``gan-sample`` without options."""
    import torch

    from gan_cli.algorithms.spec import spec_of
    from gan_cli.inference.card_facts import CardPicture
    from gan_cli.inference.label_choice import choose_labels
    from gan_cli.inference.loading import GeneratorWeights
    from gan_cli.protocols.data import class_names
    from gan_cli.telemetry.figures import sample_figure
    from gan_cli.telemetry.images import png_bytes

    trained = spec_of(model).load_sampler(model, GeneratorWeights.average)
    choice = choose_labels(None, trained.condition, class_names(trained.data))
    values = choice.values(SHOWN)
    labels = None if values is None else torch.from_numpy(values)
    samples = trained.draw(SHOWN, 0, labels, choice.shared(SHOWN))
    return CardPicture(png_bytes(sample_figure(samples, choice.columns(SHOWN), trained.dataset)), step)


if __name__ == "__main__":
    main()
