"""The environment of torchrun: what is wrong in it costs one line, and a partner that does not come is named."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from gan_cli.errors import ConfigError
from gan_cli.runtime import torchrun
from tests.conftest import TINY

WHOLE = {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}


def test_whole_environment_is_read() -> None:
    torchrun.require_environment({})
    torchrun.require_environment(WHOLE)
    assert (torchrun.rank(WHOLE), torchrun.world_size(WHOLE), torchrun.local_rank(WHOLE)) == (1, 2, 1)
    assert torchrun.is_nonzero_rank(WHOLE)


@pytest.mark.parametrize("name", [*WHOLE, "TORCHELASTIC_RESTART_COUNT"])
@pytest.mark.parametrize("value", ["abc", "", "-1", "1.5", "9" * 50, "٣", " 1", "0x1"])
def test_words_in_it_cost_one_line(name: str, value: str) -> None:
    if name == "MASTER_ADDR":
        value = ""
    with pytest.raises(ConfigError, match=f"^{name}: .*torchrun") as refused:
        torchrun.require_environment({**WHOLE, name: value})
    assert len(str(refused.value).splitlines()) == 1
    assert not torchrun.is_nonzero_rank({**WHOLE, "WORLD_SIZE": "x"})


@pytest.mark.parametrize("missing", ["RANK", "MASTER_ADDR", "MASTER_PORT"])
def test_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(ConfigError, match=f"^{missing}: not set, but WORLD_SIZE=2"):
        torchrun.require_environment({key: value for key, value in WHOLE.items() if key != missing})


def free_port() -> str:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return str(found.getsockname()[1])


@pytest.mark.slow
@pytest.mark.parametrize("rank", ["0", "1"])
def test_partner_that_does_not_come_is_waited_for_aloud(rank: str, workplace: Path) -> None:
    environment = {**os.environ, **WHOLE, "RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": free_port()}
    with subprocess.Popen(
        [sys.executable, "-m", "gan_cli", *TINY, "train.steps=2"], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert line.startswith(f"rank {rank}: waiting for the other processes at MASTER_ADDR=localhost")
    assert process.returncode == 143
    assert "Traceback" not in rest
    assert not Path("outputs").exists()


@pytest.mark.slow
def test_unknown_host_costs_one_line(workplace: Path) -> None:
    environment = {**os.environ, **WHOLE, "RANK": "0", "MASTER_ADDR": "no-such-host.invalid"}
    done = subprocess.run(
        [sys.executable, "-m", "gan_cli", *TINY, "train.steps=2"],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "MASTER_ADDR=no-such-host.invalid" in done.stderr
    assert "Traceback" not in done.stderr
