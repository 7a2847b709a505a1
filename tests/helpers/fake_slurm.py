"""As much of Slurm as submitit asks for: sbatch, srun, scontrol requeue, sacct, on one machine, in plain files.

Job number 1 is the only one there is. In ``$FAKE_SLURM``: ``requeued``, a line each, and ``states/``, a file a task.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

JOB = "1"
COMMANDS = ("sbatch", "srun", "scontrol", "sacct")


def install(folder: Path) -> dict[str, str]:
    """Make the commands in a folder; returns the environment in which they are found."""
    (folder / "bin").mkdir(parents=True)
    (folder / "states").mkdir()
    for name in COMMANDS:
        command = folder / "bin" / name
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        command.chmod(0o755)
    return {**os.environ, "FAKE_SLURM": str(folder), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}


def requeued(folder: Path) -> list[str]:
    """The tasks that were queued again, in that order."""
    file = folder / "requeued"
    return file.read_text().split() if file.exists() else []


def sbatch(script: str) -> None:
    """Start each task of the script's array in the background, and say which job it is."""
    array = re.search(r"^#SBATCH --array=0-(\d+)", Path(script).read_text(), flags=re.MULTILINE)
    for task in range(int(array[1]) + 1) if array else (None,):
        command = [sys.executable, __file__, "task", script, "" if task is None else str(task)]
        quiet = subprocess.DEVNULL
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    print(f"Submitted batch job {JOB}")


def task(script: str, number: str) -> None:
    """Run the script, and again as often as it was queued again."""
    name, folder = f"{JOB}_{number}" if number else JOB, Path(os.environ["FAKE_SLURM"])
    array = {"SLURM_ARRAY_JOB_ID": JOB, "SLURM_ARRAY_TASK_ID": number} if number else {}
    environment = {**os.environ, "SLURM_JOB_ID": JOB, "SLURM_PROCID": "0", "SLURM_LOCALID": "0", **array}
    (folder / "states" / name).write_text("RUNNING")
    runs = 0
    while runs <= requeued(folder).count(name):
        subprocess.run(["bash", script], env=environment, check=False)
        runs += 1
    (folder / "states" / name).write_text("COMPLETED")


def srun(*arguments: str) -> None:
    """Run a command with its output in the files that options name."""
    job, number = os.environ["SLURM_JOB_ID"], os.environ.get("SLURM_ARRAY_TASK_ID", "")
    names = {"%A": job, "%a": number, "%j": job, "%t": "0"}
    options, command = list(arguments), []
    files = {}
    while options:
        option = options.pop(0)
        if option in ("--output", "--error"):
            file = re.sub("%[Aajt]", lambda match: names[match[0]], options.pop(0))
            files[option] = Path(file).open("a")  # noqa: SIM115 - as long as the command
        elif option != "--unbuffered":
            command = [option, *options]
            break
    os.dup2(files["--output"].fileno(), 1)
    os.dup2(files["--error"].fileno(), 2)
    os.execvp(command[0], command)


def scontrol(action: str, name: str) -> None:
    """Note that a task is to be run again."""
    assert action == "requeue"
    with (Path(os.environ["FAKE_SLURM"]) / "requeued").open("a") as file:
        file.write(f"{name}\n")


def sacct(*_: str) -> None:
    """The states of all tasks."""
    print("JobID|State|NodeList")
    for file in sorted((Path(os.environ["FAKE_SLURM"]) / "states").iterdir()):
        print(f"{file.name}|{file.read_text()}|here")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
