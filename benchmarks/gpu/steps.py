"""Steps of an invocation: what each asks, its process and its time limit, in the order of their value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gan_cli.errors import ConfigError, did_you_mean

# A step with less time than this, in seconds, is left out.
SHORTEST = 12.0
# Seconds that are kept back for the summary.
RESERVE = 3.0


@dataclass(frozen=True)
class Step:
    """A process of an invocation; it needs no other one, and may be ended at any time.

    Attributes:
        name: on the command line and in the results.
        question: what it answers.
        limit: seconds at most.
        module: below ``benchmarks.gpu``, of the process.
        arguments: of the process, beside those of the setting.
    """

    name: str
    question: str
    limit: float
    module: str
    arguments: tuple[str, ...] = ()

    def command(self, python: str, setting: Sequence[str]) -> list[str]:
        """Return the command line of the process."""
        return [python, "-m", f"benchmarks.gpu.{self.module}", *setting, *self.arguments]


STEPS = (
    Step("facts", "which card, driver and torch; rates of copies, products and launches", 45, "facts"),
    Step("tests", "do the tests marked gpu pass", 120, "device_tests"),
    Step("probes", "one question each about what could be wrong on a GPU", 90, "probes"),
    Step("parity", "do recorded runs equal eager ones, and resumed ones those that were not stopped", 90, "parity"),
    Step("speed_dcgan", "DCGAN-64, batches of 128 and 512", 60, "speed", ("dcgan64_b128", "dcgan64_b512")),
    Step("speed_mlp", "MLP WGAN, batch 64, five updates of D", 45, "speed", ("mlp_wgan",)),
    Step("speed_sngan", "SNGAN-32, batch 64, five updates of D", 50, "speed", ("sngan32",)),
    Step("speed_replicas", "ring8 alone, and 64 replicas of it", 45, "speed", ("ring8",)),
    Step("memory", "does memory grow over 10,000 steps", 60, "memory"),
    Step("speed_compiled", "the same networks compiled", 100, "speed", ("--compiled", "dcgan64_b128", "mlp_wgan")),
)
NAMES = tuple(step.name for step in STEPS)


def choose(names: Sequence[str] | None) -> list[Step]:
    """Return the steps of these names, in the order of their value; all of them for None.

    Raises:
        ConfigError: there is no such step.
    """
    for name in names or ():
        if name not in NAMES:
            raise ConfigError(f"--only: no step {name!r}.{did_you_mean(name, NAMES)} There are {', '.join(NAMES)}")
    return [step for step in STEPS if names is None or step.name in names]


@dataclass(frozen=True)
class Budget:
    """Time of an invocation.

    Attributes:
        seconds: in all.
        patience: factor on the limits of steps, for a slow device.
    """

    seconds: float
    patience: float = 1.0

    def limit(self, step: Step, elapsed: float) -> float | None:
        """Return the seconds that a step may take which starts now; None where it is left out for want of time."""
        left = self.seconds - elapsed - RESERVE
        return None if left < SHORTEST else min(self.patience * step.limit, left)


def environment(inherited: Mapping[str, str], data: str, path: str) -> dict[str, str]:
    """Return the environment of the steps' processes.

    Args:
        inherited: of this process.
        data: folder of their data root: classifiers that evaluations train are kept there.
        path: folder of the checkout.
    """
    # A test run that starts this one is none of the business of the tests here.
    kept = {name: value for name, value in inherited.items() if not name.startswith("PYTEST_")}
    paths = [path, *filter(None, [inherited.get("PYTHONPATH")])]
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONPATH": ":".join(paths), "GAN_DATA": data}
