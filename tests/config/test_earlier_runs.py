"""Keys of earlier runs on a command line: ``init=DIR`` and ``fork=DIR step=N`` stand for keys of sections."""

from __future__ import annotations

from pathlib import Path

import pytest

from gan_cli.config.compose import compose, register
from gan_cli.config.earlier_runs import with_full_keys
from gan_cli.config.path_overrides import read_paths
from gan_cli.config.validate import validate_config
from gan_cli.errors import ConfigError


def test_short_keys_become_full_ones() -> None:
    typed = ["init=a", "+fork=b", "step=20", "fork.step=30", "init.checkpoint=best"]
    full = ["init.run=a", "+fork.run=b", "fork.step=20", "fork.step=30", "init.checkpoint=best"]
    assert with_full_keys(typed) == full
    assert with_full_keys(full) == full
    # Without a fork there is no such key, and its mistake is to be told as it was typed.
    assert with_full_keys(["step=20", "~init", "init={run:a}"]) == ["step=20", "~init", "init={run:a}"]


def test_paths_are_taken_literally() -> None:
    assert read_paths(["init=a (1),b"]) == [r"init.run='a (1),b'"]
    assert read_paths(["init=a,b (2)"], multirun=True) == ["init.run=a,'b (2)'"]
    assert read_paths(["fork=a,b"], multirun=True) == ["fork.run='a,b'"]


@pytest.fixture(autouse=True)
def registered() -> None:
    """The schema, as each command registers it."""
    register(plugins=False)


@pytest.mark.usefixtures("workplace")
def test_relative_paths_are_stored_as_absolute_ones() -> None:
    composed = compose(["init=runs/a", "init.checkpoint=20", "init.networks=[g,average]"])
    assert composed.config.init.run == str(Path.cwd() / "runs/a")
    assert composed.config.init.checkpoint == "20"
    assert f"init.run='{Path.cwd() / 'runs/a'}'" in composed.overrides
    assert compose(["init=/somewhere"]).config.init.run == "/somewhere"
    assert compose(["init=hub:owner/name"]).config.init.run == "hub:owner/name"
    assert compose(["init=null"]).config.init.run is None
    forked = compose([f"fork={Path.cwd()}/b", "step=best"])
    assert (forked.config.fork.run, forked.config.fork.step) == (str(Path.cwd() / "b"), "best")


@pytest.mark.usefixtures("workplace")
def test_last_is_the_run_that_it_stands_for() -> None:
    assert compose(["init=last"]).config.init.run == str(Path.cwd() / "last")
    run = Path("outputs/2026-01-01/10-00-00")
    (run / ".hydra").mkdir(parents=True)
    assert compose(["init=last"]).config.init.run == str(run.absolute())


def test_an_empty_list_of_networks_is_rejected() -> None:
    with pytest.raises(ConfigError, match=r"init\.networks: expected names of networks, or null, got \[\]"):
        validate_config(compose(["init.networks=[]"]).config)
