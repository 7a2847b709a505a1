"""Run all probes, some at a time, each in a process that its error cannot take others down with; or some, by name."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor

from benchmarks.gpu import processes
from benchmarks.gpu.probes.catalogue import PROBES
from benchmarks.gpu.setting import Setting, step_parser

AT_A_TIME = 6
LIMIT = 60.0
# Read by cuBLAS at the first product of a process; one probe asks what happens without.
WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def main() -> None:
    """Run the step."""
    parser = step_parser(__doc__)
    parser.add_argument("names", nargs="*", metavar="PROBE", help="those to ask in this process; none: all, in others")
    arguments = parser.parse_args()
    setting, at_a_time = Setting.of(arguments), min(AT_A_TIME, os.cpu_count() or 1)
    for name in arguments.names:
        answer(name, setting)
    if not arguments.names:
        with ThreadPoolExecutor(at_a_time) as pool:
            list(pool.map(lambda names: start(names, setting), shares(setting.pick(len(PROBES), at_a_time))))


def shares(count: int) -> list[list[str]]:
    """Return the names of all probes in so many shares; one each in full sizes, where an error takes a process down."""
    names = list(PROBES)
    return [names[index::count] for index in range(count)]


def answer(name: str, setting: Setting) -> None:
    """Add the answers of a probe to the findings, as they come."""
    found = setting.findings("probes")
    with found.keep_error(name):
        for each in PROBES[name](setting):
            found.add(f"{name}: {each.name}", each.right, each.values)


def start(names: list[str], setting: Setting) -> None:
    """Run probes in a process of their own; a process that dies is a finding as well."""
    environment = {key: value for key, value in os.environ.items() if key != WORKSPACE}
    command = [sys.executable, "-m", "benchmarks.gpu.probes", *setting.arguments, *names]
    ended = processes.run(command, LIMIT * setting.patience, setting.out / "probes.log", environment, own_group=False)
    if ended.status:
        setting.findings("probes").add(", ".join(names), False, error=ended.text)


if __name__ == "__main__":
    main()
