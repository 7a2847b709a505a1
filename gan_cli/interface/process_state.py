"""State of the process around a run that Python code trains: set aside, and restored. Loads torch only when entered."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from gan_cli.config.hydra_state import separate_hydra

# Exit statuses above it are of processes that a signal has ended.
SIGNAL_STATUS = 128


@contextmanager
def new_process_state() -> Iterator[None]:
    """Let a run find the process as a command finds it, and restore afterwards what the program around it had.

    That is Hydra's state, torch's settings and default device, random states, loggers and environment variables.
    Threads that train take turns, because most of it is one for the whole process.
    """
    with separate_hydra():
        import torch  # here, so that the interface is there without it

        from gan_cli.sweeps.isolation import isolated_job

        with isolated_job(), ExitStack() as inside, torch.inference_mode(False), torch.enable_grad():
            torch.set_default_dtype(torch.float32)
            if torch.get_default_device().type != "cpu":
                inside.enter_context(torch.device("cpu"))
            yield


def end_as_signal(exit_status: int, message: str) -> None:
    """Do what the signal behind an exit status would have done, now that everything is written.

    Args:
        exit_status: of a run; those of no signal are left alone.
        message: of the ``KeyboardInterrupt``.

    Raises:
        KeyboardInterrupt: it was Ctrl-C.
    """
    number = exit_status - SIGNAL_STATUS
    if number == signal.SIGINT:
        raise KeyboardInterrupt(message)
    if number > 0 and signal.getsignal(number) is signal.SIG_DFL:
        signal.raise_signal(number)
