"""``gan-bench``: speed at which this machine trains a configuration, and where the time of a step goes."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gan_cli.cli.arguments import CommandParser, version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.cli.numbers import number, require_output_file
from gan_cli.errors import ConfigError

STDOUT = "-"
# Longest time that steps are timed: a day.
MAX_SECONDS = 86_400
TRACES = (".json", ".json.gz")


def main() -> NoReturn:
    """Run ``gan-bench`` on the command line of this process."""
    exit_with_status("gan-bench", lambda: _bench(_parser().parse_intermixed()))


def _parser() -> CommandParser:
    parser = CommandParser(
        prog="gan-bench",
        description="Train with a configuration for a few seconds in each way of running that this machine has (as it"
        " is, compiled, recorded as CUDA graphs), and say how fast that goes, what share of the device's peak it is,"
        " and where the time of a step goes. Takes about four times --seconds, and what compiling takes.",
    )
    parser.add_argument(
        "overrides", nargs="*", metavar="OVERRIDE", help="as of gan-train: experiment=wgan_mnist device.precision=fp32"
    )
    parser.add_argument("--config-dir", "-cd", type=Path, metavar="DIR", help="a folder with options of your own")
    parser.add_argument(
        "--seconds",
        type=number("--seconds", 0, MAX_SECONDS),
        default=5.0,
        help="how long steps are timed in each way of running, about [5]",
    )
    parser.add_argument(
        "--json", metavar="FILE", help="all results as JSON; -: on stdout, and the table on stderr instead"
    )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE",
        help="a trace of a few steps (.json or .json.gz) for ui.perfetto.dev or TensorBoard",
    )
    parser.add_argument("--version", action="version", version=version())
    return parser


def _bench(arguments: argparse.Namespace) -> int:
    _check(arguments)
    from gan_cli.config.compose import compose, register
    from gan_cli.config.corrections import require_overrides
    from gan_cli.config.path_overrides import user_conf_dir

    _reject_resume(arguments.overrides)
    folder = user_conf_dir(arguments.config_dir)
    require_overrides("gan-bench", arguments.overrides, folder)
    register()
    composition = compose(arguments.overrides, folder)

    # torch and what needs it are imported once the command is known to be right
    from gan_cli.bench import benchmark, table
    from gan_cli.storage.files import writing
    from gan_cli.telemetry import run_log
    from gan_cli.training import single

    if composition.dry_run:
        print(single.dry_run(composition))
        return 0
    with run_log.console():
        result = benchmark.benchmark(composition, arguments.seconds, arguments.profile)
    print(table.table(result), file=sys.stderr if arguments.json == STDOUT else sys.stdout)
    if arguments.json is not None:
        text = json.dumps(dataclasses.asdict(result), indent=2)
        if arguments.json == STDOUT:
            print(text)
        else:
            file = Path(arguments.json)
            with writing(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(f"{text}\n", encoding="utf-8")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.profile is not None and not arguments.profile.name.endswith(TRACES):
        raise ConfigError(f"--profile: expected a name that ends in {' or '.join(TRACES)}, got {arguments.profile}")
    require_output_file("--profile", arguments.profile)
    if arguments.json not in (None, STDOUT):
        require_output_file("--json", Path(arguments.json))


def _reject_resume(overrides: Sequence[str]) -> None:
    if any(override.lstrip("+").startswith("resume=") for override in overrides):
        raise ConfigError("resume: expected null, because gan-bench measures a configuration, not a run")


if __name__ == "__main__":
    main()
