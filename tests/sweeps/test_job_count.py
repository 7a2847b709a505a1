"""Jobs are counted before they are expanded, and what cannot be swept over costs one line."""

from __future__ import annotations

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from gan_cli.errors import ConfigError
from gan_cli.sweeps.job_count import MAX_JOBS, count_jobs, require_drawable


def count(*overrides: str) -> int:
    return count_jobs(OverridesParser.create().parse_overrides(list(overrides)))


@pytest.mark.parametrize(
    ("overrides", "jobs"),
    [
        (["loss=jsd"], 1),
        (["loss=jsd,wgan", "seed=range(3)", "train.steps=5"], 6),
        (["seed=range(0,10,3)"], 4),
        (["seed=range(10,0,-4)"], 3),
        (["optimizer.lr=range(0.1,0.35,0.1)"], 3),
        (["seed=shuffle(range(5))", "optimizer.lr=float(1,2)"], 10),
        (["seed=1,2", "seed=1,2,3"], 3),
        (["~loss/penalty", "optimizer.betas=choice([0,1],[1,2])"], 2),
    ],
)
def test_jobs_of_a_command(overrides: list[str], jobs: int) -> None:
    assert count(*overrides) == jobs


def test_no_range_is_expanded() -> None:
    with pytest.raises(ConfigError, match=r"10,000 jobs at most.* got 1,000,000,000,000: 1,000,000,000,000 of seed"):
        count("seed=range(0,1000000000000)")
    with pytest.raises(ConfigError, match=r"got 10,000,000,000: 100,000 of seed x 100,000 of train.steps"):
        count("seed=shuffle(range(100000))", "train.steps=range(100000)")
    with pytest.raises(ConfigError, match="got 12,000"):
        count(*(f"a{place}={','.join('0123456789')}" for place in range(3)), f"b={','.join('abcdefghijkl')}")
    assert count(f"seed=range({MAX_JOBS})") == MAX_JOBS


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed=range(0,10,0)", "a step other than 0"),
        ("seed=range(0.5,10,0)", "a step other than 0"),
        ("seed=range(1,2,1e-400)", "a step other than 0"),
        ("seed=range(10,0)", "at least one value"),
        ("seed=range(0,3,-1)", "at least one value"),
        ("seed=range(0,inf)", "finite numbers, got inf"),
        ("seed=range(nan,3)", "finite numbers, got nan"),
        ("seed=choice(1,choice(2,3))", "one list of values"),
        ("seed=interval(1,2),3", "one list of values"),
    ],
)
def test_what_is_no_list_of_values(override: str, words: str) -> None:
    for check in (count, lambda item: require_drawable(OverridesParser.create().parse_override(item))):
        with pytest.raises(ConfigError) as refused:
            check(override)
        if check is count:
            assert words in str(refused.value)
        assert override[:10] in str(refused.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optimizer.lr=interval(1,0.1)", "the lower end of an interval first"),
        ("optimizer.lr=tag(log,interval(0,0.1))", "above 0 on a logarithmic scale"),
        ("optimizer.lr=tag(log,interval(-1,0.1))", "above 0 on a logarithmic scale"),
        ("optimizer.lr=interval(nan,0.1)", "finite numbers"),
        ("optimizer.lr=interval(0,inf)", "finite numbers"),
        ("optimizer.lr=interval(-1e308,1e308)", "ends up to"),
        ("loss.d_steps=range(0,100000000000000000)", "ends up to"),
        ("loss.d_steps=range(0,10,-1)", "a step above 0"),
        ("loss.d_steps=shuffle(range(0,1000000000))", "10,000 values at most, got 1,000,000,000"),
        ("loss=glob(*)", "the options by name"),
    ],
)
def test_what_a_sweeper_cannot_draw_from(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        require_drawable(OverridesParser.create().parse_override(override))


@pytest.mark.parametrize(
    "override",
    ["seed=3", "a=interval(1,1)", "a=tag(log,interval(1e-5,1))", "a=range(1,6)", "a=range(0.1,0.5,0.1)", "a=b,c"],
)
def test_what_a_sweeper_draws_from(override: str) -> None:
    require_drawable(OverridesParser.create().parse_override(override))
