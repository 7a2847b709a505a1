"""Where the steps of an invocation compute and write, as their processes hand it on. Imports no torch."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gpu.findings import Findings


@dataclass(frozen=True)
class Setting:
    """Device, sizes and results folder of an invocation.

    Attributes:
        out: folder of the results.
        device: ``cuda``, or ``cpu`` in a dry run.
        tiny: sizes for a look at whether everything runs; their speeds mean nothing.
        patience: factor on all time limits, for a slow device.
    """

    out: Path
    device: str = "cuda"
    tiny: bool = False
    patience: float = 1.0

    @property
    def arguments(self) -> tuple[str, ...]:
        """The same as arguments of a step's process, for :meth:`add_options`."""
        place = ("--out", str(self.out), "--device", self.device, "--patience", str(self.patience))
        return (*place, "--tiny") if self.tiny else place

    @staticmethod
    def add_options(parser: argparse.ArgumentParser) -> None:
        """Add the options of :attr:`arguments` to the command of a step."""
        parser.add_argument("--out", type=Path, required=True)
        parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
        parser.add_argument("--tiny", action="store_true")
        parser.add_argument("--patience", type=float, default=1.0)

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Setting:
        """Return the setting that parsed options describe."""
        return cls(arguments.out, arguments.device, arguments.tiny, arguments.patience)

    def findings(self, step: str) -> Findings:
        """Return the results file, for findings of a step."""
        return Findings(self.out, step)

    def pick(self, full: int, tiny: int) -> int:
        """Return one of two sizes."""
        return tiny if self.tiny else full


def step_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a step's command, with the options of a setting."""
    parser = argparse.ArgumentParser(description=description)
    Setting.add_options(parser)
    return parser
