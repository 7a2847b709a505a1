"""``gan-train``: compose a run from config groups and train it, resume a run, or sweep over many."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gan_cli.cli import help_page
from gan_cli.cli.arguments import version
from gan_cli.cli.exit_status import exit_with_status
from gan_cli.errors import ConfigError, UserError
from gan_cli.runtime import torchrun

if TYPE_CHECKING:
    from omegaconf import DictConfig


# Beginnings of Optuna's messages that no trial has a value, or none of the last ones of a grid.
NO_TRIAL_COMPLETED = ("No trials are completed yet.", "`Study.stop` is supposed to be invoked")


def main() -> NoReturn:
    """Run ``gan-train`` on the command line of this process."""
    exit_with_status("gan-train", lambda: _dispatch(sys.argv[1:]))


def _dispatch(arguments: Sequence[str]) -> int:
    if "--version" in arguments:
        if "--verbose" in arguments:
            from gan_cli.cli.environment import verbose_version

            print(verbose_version())
        else:
            print(version())
        return 0
    if help_page.is_asked_for(arguments):
        print(help_page.read(arguments))
        return 0
    torchrun.require_environment()
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-dir", "-cd", type=Path)
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("overrides", nargs="*")
    known, flags = parser.parse_known_intermixed_args(arguments)
    from gan_cli.config.corrections import require_overrides
    from gan_cli.config.path_overrides import user_conf_dir
    from gan_cli.config.preview import pop_preview
    from gan_cli.sweeps import command

    folder = user_conf_dir(known.config_dir)
    require_overrides("gan-train", arguments, folder)
    arguments = _with_literal_paths(arguments, folder, known.multirun)
    sweep, arguments = command.pop_continue(arguments)
    if sweep is not None:
        if not known.multirun:
            raise ConfigError(f"{command.CONTINUE}: continues a sweep; add --multirun (-m)")
        arguments = command.continuation_arguments(Path(sweep), arguments)
    # Hydra's own flags (--multirun, --help, --cfg, --info, shell completion, ...) are Hydra's to answer.
    if torchrun.is_distributed() and (flags or known.multirun):
        raise ConfigError("torchrun: expected one run in several processes, without flags; sweeps go without torchrun")
    if not flags and not known.multirun:
        from gan_cli.cli.one_run import train_one

        return train_one(command.pop_continue(known.overrides)[1], folder)
    if pop_preview(known.overrides)[0]:
        raise ConfigError("augment.preview: expected for one run, without flags")
    return _with_hydra(pop_preview(arguments)[1], known.multirun, None if sweep is None else Path(sweep))


def _with_literal_paths(arguments: Sequence[str], folder: Path | None, multirun: bool) -> list[str]:
    """Return the arguments for Hydra, with all paths as they were typed, whatever characters they have."""
    from gan_cli.config.override_text import split_flags
    from gan_cli.config.path_overrides import read_paths

    kept = list(arguments)
    for name in ("--config-dir", "-cd") if folder is not None else ():
        while name in kept:
            del kept[kept.index(name) : kept.index(name) + 2]
    flags, overrides = split_flags([item for item in kept if not item.startswith("--config-dir=")])
    own = [] if folder is None else [f"--config-dir={folder}"]
    return [*own, *flags, *read_paths(overrides, multirun)]


def _with_hydra(arguments: Sequence[str], multirun: bool, continued: Path | None) -> int:
    """Let Hydra parse its flags and, in a multirun, launch the jobs of a new or a continued sweep, each a run."""
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gan_cli.config.compose import register
    from gan_cli.config.fork import typed_fork
    from gan_cli.config.hydra_errors import explain_hydra_error, is_omegaconf_failure, raised_by_hydra
    from gan_cli.config.hydra_flags import lazy_help_texts
    from gan_cli.config.override_text import split_flags
    from gan_cli.runtime.interrupts import exit_on_signal
    from gan_cli.runtime.parent_watch import children_end_with_this_process
    from gan_cli.sweeps import job_names
    from gan_cli.sweeps.composition_check import composing_all_jobs
    from gan_cli.sweeps.job import job
    from gan_cli.sweeps.launch_errors import launch_errors_explained
    from gan_cli.sweeps.signal_forwarding import forward_signals
    from gan_cli.training.launch import resume_directory

    if resume_directory(arguments) is not None:
        raise ConfigError("resume: continues one run, and takes no flags; a job of a sweep is resumed by itself")
    if typed_fork(arguments) is not None:
        raise ConfigError("fork: begins one run, and takes no flags; init=RUN_DIR begins the jobs of a sweep")
    # Otherwise Hydra would catch exceptions, print them its own way and hide the traceback of a bug.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    created = register(plugins=multirun or any("hydra/" in argument for argument in arguments))
    job_names.register()
    task = job if multirun else _run
    _, overrides = split_flags(arguments)
    with contextlib.ExitStack() as around:
        scratch = around.enter_context(tempfile.TemporaryDirectory())
        around.enter_context(lazy_help_texts())
        # A signal between two jobs ends the sweep as well, and jobs in other processes receive it.
        around.enter_context(exit_on_signal())
        around.enter_context(forward_signals(arguments))
        around.enter_context(children_end_with_this_process())
        around.enter_context(composing_all_jobs())
        try:
            with launch_errors_explained():
                _call_hydra(_with_scratch_directory(arguments, scratch, continued), task)
        except (HydraException, OmegaConfBaseException, UserError) as error:
            _remove_unstarted_sweeps(created)
            raise explain_hydra_error(error, overrides) from error
        except Exception as error:
            if str(error).startswith(NO_TRIAL_COMPLETED):
                print("gan-train: hydra/sweeper=optuna: no job came to a value of sweep.metric", file=sys.stderr)
                return 1
            if not raised_by_hydra(error) and not is_omegaconf_failure(error):
                raise
            _remove_unstarted_sweeps(created)
            raise explain_hydra_error(error, overrides) from error
    return 0


def _call_hydra(arguments: Sequence[str], task: Callable[[DictConfig], object]) -> None:
    """Call Hydra's main function; keys that only some options of a sweep have are left to its jobs."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from gan_cli.config.schema import conf_dir
    from gan_cli.sweeps.composition_check import left_to_jobs
    from gan_cli.sweeps.launch_errors import is_running

    main = hydra.main(config_path=str(conf_dir()), config_name="config", version_base="1.3")(task)
    try:
        with _patched_argv(arguments):
            main()
    except (HydraException, OmegaConfBaseException) as error:
        left = None if is_running() else left_to_jobs(arguments, error)
        if left is None:
            raise
        with _patched_argv(left):
            main()


def _with_scratch_directory(arguments: Sequence[str], scratch: str, continued: Path | None) -> list[str]:
    """Return the arguments, in a dry run with a temporary directory for the files that Hydra writes regardless."""
    from gan_cli.sweeps.job_registry import JobRegistry
    from gan_cli.sweeps.outline import record_continued_sweep

    if not _is_dry(arguments):
        return list(arguments)
    if continued is not None:
        record_continued_sweep(JobRegistry(Path(scratch)), continued)
    return [*arguments, f"hydra.sweep.dir={scratch}"]


def _is_dry(arguments: Sequence[str]) -> bool:
    values = [argument.lstrip("+").lower() for argument in arguments if argument.lstrip("+").startswith("dry_run=")]
    return values[-1:] == ["dry_run=true"]


@contextlib.contextmanager
def _patched_argv(arguments: Sequence[str]) -> Iterator[None]:
    """Set ``sys.argv``, which Hydra parses itself, to the arguments with all flags before the overrides."""
    from gan_cli.config.override_text import split_flags

    flags, overrides = split_flags(arguments)
    before = sys.argv
    sys.argv = [before[0], *flags, *overrides]
    try:
        yield
    finally:
        sys.argv = before


def _run(config: DictConfig) -> NoReturn:
    """Train the one run of a command with other flags than ``--multirun``, as Hydra's task function."""
    from gan_cli.config.compose import Composition
    from gan_cli.training import replicas, single

    composition = Composition.from_running_job(config)
    if composition.dry_run:
        print(single.dry_run(composition))
        sys.exit(0)
    start = single.start if composition.replicas == 1 else replicas.start
    try:
        status = start(composition, composition.wanted_directory)
    except UserError as error:
        print(f"gan-train: {error}", file=sys.stderr)
        status = error.exit_status
    sys.exit(status)


def _remove_unstarted_sweeps(created: Sequence[str]) -> None:
    """Remove the directories of a sweep that never started, and empty parents of them."""
    from gan_cli.sweeps.job_registry import JobRegistry

    for path in map(Path, created):
        if JobRegistry(path).entries():
            continue
        (path / "multirun.yaml").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty: it stays
            shutil.rmtree(JobRegistry(path).folder)
        with contextlib.suppress(OSError):
            path.rmdir()
            os.removedirs(path.parent)


if __name__ == "__main__":
    main()
