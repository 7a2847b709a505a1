"""``gan-train``: compose a run from config groups, then train it; resume one; sweep over many."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gan_cli.cli import leave, version
from gan_cli.errors import ConfigError, UserError
from gan_cli.runtime import torchrun

if TYPE_CHECKING:
    from omegaconf import DictConfig
import gc

# How Optuna words that no trial has a value.
NOTHING_FOUND = "No trials are completed yet."


def main() -> NoReturn:
    """Entry point."""
    leave("gan-train", lambda: _dispatch(sys.argv[1:]))


def _dispatch(arguments: Sequence[str]) -> int:
    if "--version" in arguments:
        print(version())
        return 0
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("overrides", nargs="*")
    known, flags = parser.parse_known_intermixed_args(arguments)
    if known.config_dir is not None and not known.config_dir.is_dir():
        raise ConfigError(f"--config-dir: there is no folder {str(known.config_dir)!r}")
    from gan_cli.sweeps import command

    continued, arguments = command.taken(arguments)
    if continued is not None:
        if not known.multirun:
            raise ConfigError(f"{command.CONTINUE}: goes on with a sweep; add --multirun (-m)")
        arguments = command.continuing(Path(continued), arguments)
    # Hydra's own flags (--multirun, --help, --cfg, --info, shell completion, ...) are Hydra's to answer.
    if torchrun.launched() and (flags or known.multirun):
        raise ConfigError("torchrun: expected one run in several processes, without flags; sweeps go without torchrun")
    if not flags and not known.multirun:
        return _single(command.taken(known.overrides)[1], known.config_dir)
    return _with_hydra(arguments, known.multirun)


def _single(overrides: Sequence[str], extra_conf: Path | None) -> int:
    """One run, whose directory is made once the configuration is checked and the data are read."""
    from gan_cli.config.compose import compose, register
    from gan_cli.config.resume import recompose
    from gan_cli.storage.run_directory import RunDirectory

    register(plugins=any("hydra/" in override for override in overrides))
    named = _resumed(overrides) or _begun_before()
    earlier = None if named is None else RunDirectory(Path(named))
    composition = compose(overrides, extra_conf) if earlier is None else recompose(earlier, overrides, extra_conf)
    if earlier is None and composition.choices.get("sweep") is not None:
        raise ConfigError(f"sweep={composition.choices['sweep']}: is of many runs; add --multirun (-m)")
    with uncollected():
        import torch._dynamo  # noqa: F401 - torch.optim imports it, and it takes no less than all the rest

        from gan_cli.runs import replicas, single

    if composition.dry_run:
        print(single.dry_run(composition))
        return 0
    if torchrun.launched() and composition.replicas > 1:
        raise ConfigError(f"train.replicas: expected 1 in several processes, got {composition.replicas}")
    if earlier is not None:
        return single.resume(composition, earlier)
    start = single.start if composition.replicas == 1 else replicas.start
    return start(composition, Path(composition.hydra.hydra.run.dir))


def _begun_before() -> str | None:
    """The run that torchrun has started this process again for, if it has come to a checkpoint; else None."""
    from gan_cli.storage.run_directory import RunDirectory

    directory = torchrun.remembered_run_directory()
    if directory is None or not RunDirectory(directory).has_checkpoint:
        return None
    return str(directory)


def _resumed(arguments: Sequence[str]) -> str | None:
    """The run directory that the command line asks to go on in, or None."""
    named = [value for key, _, value in (item.partition("=") for item in arguments) if key.lstrip("+") == "resume"]
    if not named or named[-1] == "null":
        return None
    directory = named[-1].strip("'\"")
    if not directory:
        raise ConfigError("resume: expected a run directory, got nothing")
    return directory


def _with_hydra(arguments: Sequence[str], multirun: bool) -> int:
    """Let Hydra parse its flags and, in a multirun, launch the jobs; each job is a run of its own."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gan_cli.config.compose import register
    from gan_cli.config.hydra_errors import explained
    from gan_cli.config.schema import conf_dir
    from gan_cli.runtime.interrupts import leaving
    from gan_cli.sweeps.job import job
    from gan_cli.sweeps.signal_forwarding import lost, relayed

    if _resumed(arguments) is not None:
        raise ConfigError("resume: goes on with one run, and takes no flags; a job of a sweep is resumed by itself")
    # Hydra would print errors its own way, and a bug's traceback only with this set.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    made = register(plugins=multirun or any("hydra/" in argument for argument in arguments))
    task = job if multirun else _run
    with contextlib.ExitStack() as around:
        scratch = around.enter_context(tempfile.TemporaryDirectory())
        around.enter_context(_arguments(_dry(arguments, scratch)))
        # A signal between two jobs ends the sweep as well, and one during jobs in other processes reaches those.
        around.enter_context(leaving())
        around.enter_context(relayed(arguments))
        try:
            hydra.main(config_path=str(conf_dir()), config_name="config", version_base="1.3")(task)()
        except (HydraException, OmegaConfBaseException) as error:
            _forget(made)
            raise explained(error) from error
        except ValueError as error:
            if str(error) == NOTHING_FOUND:
                if _is_dry(arguments):
                    return 0
                print("gan-train: hydra/sweeper=optuna: no job came to a value of the objective", file=sys.stderr)
                return 1
            # Hydra's way to refuse flags that exclude each other; any other ValueError is a bug.
            if str(error).startswith(("Only one of --", "The --resolve flag")):
                raise ConfigError(str(error)) from error
            raise
        except Exception as error:
            told = lost(error)
            if told is None:
                raise
            raise told from error
    return 0


def _dry(arguments: Sequence[str], scratch: str) -> list[str]:
    """The arguments, with a directory that vanishes for what Hydra writes where nothing is to be written."""
    return [*arguments, f"hydra.sweep.dir={scratch}"] if _is_dry(arguments) else list(arguments)


def _is_dry(arguments: Sequence[str]) -> bool:
    return any(argument.lstrip("+").lower() == "dry_run=true" for argument in arguments)


@contextlib.contextmanager
def _arguments(arguments: Sequence[str]) -> Iterator[None]:
    """Hydra reads the command line itself, and wants flags before overrides."""
    from gan_cli.sweeps import command

    flags, overrides = command.parted(arguments)
    before = sys.argv
    sys.argv = [before[0], *flags, *overrides]
    try:
        yield
    finally:
        sys.argv = before


def _run(config: DictConfig) -> NoReturn:
    """The one run of a command with other flags than ``--multirun``."""
    from gan_cli.config.compose import Composition
    from gan_cli.runs import replicas, single

    composition = Composition.of_job(config)
    if composition.dry_run:
        print(single.dry_run(composition))
        sys.exit(0)
    start = single.start if composition.replicas == 1 else replicas.start
    try:
        status = start(composition, Path(composition.hydra.hydra.runtime.output_dir))
    except UserError as error:
        print(f"gan-train: {error}", file=sys.stderr)
        status = error.exit_status
    sys.exit(status)


def _forget(made: Sequence[str]) -> None:
    """Remove the directories of a sweep that could not begin, and the parents that were made for them."""
    from gan_cli.sweeps.job_registry import Ledger

    for path in map(Path, made):
        if Ledger(path).places():
            continue
        (path / "multirun.yaml").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # something else lies there: it stays
            shutil.rmtree(Ledger(path).folder)
        with contextlib.suppress(OSError):
            path.rmdir()
            os.removedirs(path.parent)


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """For imports: torch's alone make half a million objects, and all of them stay.

    The collector would walk over them again and again, which takes a fifth of the time to the first step. It rests
    inside, and afterwards takes everything there is for good: what is thrown away later goes once nothing refers to
    it, but is not looked for in cycles.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.freeze()
            gc.enable()


if __name__ == "__main__":
    main()
