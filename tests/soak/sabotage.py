"""What goes wrong in a child process, and where: told by its parent, done by ``saboteur.py``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class Aim:
    """A call on a file.

    Attributes:
        file: pattern of the file's whole path, as in ``fnmatch``.
        turn: the so many-th such call, counted from 1.
    """

    file: str
    turn: int = 1


@dataclass(frozen=True)
class Jump:
    """The wall clock is set while the process runs.

    Attributes:
        seconds: by how much; negative: back.
        step: once this step is reported; 0: before anything else.
    """

    seconds: float
    step: int = 0


@dataclass(frozen=True)
class Sabotage:
    """All that is done to one process; nothing by default.

    Attributes:
        kill_in_write: SIGKILL once half of the bytes of this write are with the system.
        kill_in_rename: SIGKILL right before this file is renamed; the pattern is that of its present name.
        jumps: of the wall clock.
        watch: file that gets a line of JSON for each report: memory, open files, threads; empty: none.
        checksums: of MNIST's files, in place of the true ones, so that there can be a small MNIST.
        waits: say ``ready`` on stdout once all is imported, and continue when stdin ends.
    """

    kill_in_write: Aim | None = None
    kill_in_rename: Aim | None = None
    jumps: tuple[Jump, ...] = ()
    watch: str = ""
    checksums: dict[str, str] = field(default_factory=dict)
    waits: bool = False

    def as_json(self) -> str:
        """For a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> Sabotage:
        """The reverse of :meth:`as_json`."""
        fields = json.loads(text)
        for name in ("kill_in_write", "kill_in_rename"):
            fields[name] = None if fields[name] is None else Aim(**fields[name])
        return cls(**{**fields, "jumps": tuple(Jump(**jump) for jump in fields["jumps"])})


NOTHING = Sabotage()
