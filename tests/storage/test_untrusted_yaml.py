"""YAML of unknown origin: plain values of bounded size, or one line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gan_cli.config.compose import compose, register
from gan_cli.errors import ConfigError
from gan_cli.storage import untrusted_yaml
from gan_cli.storage.interpolations import MAX_SIZE, reject_growth
from gan_cli.storage.run_directory import RunDirectory
from tests.conftest import TINY, Command
from tests.helpers.run_directories import write_run

ALIASES = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
)
MAPPINGS = "m0: &m0 {a: x}\n" + "".join(f"m{n}: &m{n} {{a: *m{n - 1}, b: *m{n - 1}}}\n" for n in range(1, 30))
CHAIN = "c0: &c0 [x]\n" + "".join(f"c{n}: &c{n} [*c{n - 1}]\n" for n in range(1, 200))
DOUBLED = "b0: xxxxxxxxxx\n" + "".join(f'b{n}: "${{b{n - 1}}}${{b{n - 1}}}"\n' for n in range(1, 40))
LISTS = "b0: [x]\n" + "".join(f'b{n}: ["${{b{n - 1}}}", "${{b{n - 1}}}"]\n' for n in range(1, 40))
NESTED = "b0: {x: y}\n" + "".join(f'b{n}: {{x: "${{b{n - 1}}}", y: "${{b{n - 1}.x}}"}}\n' for n in range(1, 40))
LONG_CHAIN = "b0: x\n" + "".join(f'b{n}: "${{b{n - 1}}}"\n' for n in range(1, 200))

NOT_PLAIN = {
    "integer of 5000 digits": "q: " + "9" * 5000,
    "bool": "q: !!bool x",
    "int": "q: !!int x",
    "float": "q: !!float x",
    "timestamp": "q: !!timestamp x",
    "date": "q: !!timestamp 2001-01-01",
    "bytes": "q: !!binary aGk=",
    "set": "q: !!set {a, b}",
    "ordered mapping": "q: !!omap [a: 1]",
    "pairs": "q: !!pairs [a: 1]",
    "object": "q: !!python/object/apply:os.mkdir [canary]",
    "path": "q: !!python/object/apply:pathlib.Path [canary]",
    "own tag": "q: !mine x",
    "integer as a key": "q: {1: a, b: c}",
    "null as a key": "q: {null: a}",
    "list as a key": "? [a]\n: b",
    "truth value as a key": "on: b",
    "key twice": "q: 1\nq: 2",
    "merge of text": "<<: a",
    "equals sign": "q: =",
    "unknown alias": "q: *a",
    "own alias": "q: &a [*a]",
    "levels": "q: " + "[" * 500,
    "no end": "q: [",
    "no interpolation": "q: ${...}",
    "aliases": ALIASES,
    "aliases of mappings": MAPPINGS,
    "levels by aliases": CHAIN,
    "values": "q: [" + "a," * 30_000 + "]",
    "bytes of a file": "q: " + "x" * 2**20,
}  # fmt: skip
GROWING = {"text": DOUBLED, "lists": LISTS, "mappings": NESTED, "chain": LONG_CHAIN, "itself": "b39: ${b39}",
           "circle": "b39: ${c}\nc: [\"${b39}\"]", "parent": "b39: {a: \"${b39}\"}",
           "much text": "b39: \"" + "${b0}" * 20_000 + "\""}  # fmt: skip


@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_what_is_not_plain_costs_one_line(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.yaml").write_text(text)
    with pytest.raises(ConfigError) as refused:
        untrusted_yaml.load(tmp_path / "file.yaml")
    assert str(refused.value).startswith(str(tmp_path / "file.yaml"))
    assert len(str(refused.value).splitlines()) == 1
    assert len(str(refused.value)) < 1000
    assert not Path("canary").exists()


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e5", 1e5), ("1_000", 1000), ("017", 15), ("0x1f", 31), ("-0b11", -3), ("1:30", 90), (".inf", float("inf")),
     ("no", False), ("~", None), ("2001-01-01", "2001-01-01"),
     ("'1'", "1"), ("!!str 1", "1"), ("[a, {b: 1.5}]", ["a", {"b": 1.5}])],
)  # fmt: skip
def test_plain_values_are_those_of_omegaconf(text: str, value: object) -> None:
    assert untrusted_yaml.parse(f"a: {text}", "file") == {"a": value}


def test_few_aliases_and_merged_mappings_are_expanded() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: {<<: [*a, {z: 4}], x: 0}\nd: *a"
    plain = untrusted_yaml.parse(text, "file")
    assert plain == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 0, "y": 2, "z": 4}, "d": {"x": 1, "y": 2}}


# PyYAML itself reads line breaks other than "\n" as that one.
TEXT = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=6)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(TEXT, PLAIN, max_size=3))
def test_what_omegaconf_writes_is_read_as_it_was(tree: dict[str, object]) -> None:
    config = OmegaConf.create(tree)
    assert untrusted_yaml.parse(OmegaConf.to_yaml(config), "file") == OmegaConf.to_container(config, resolve=False)


@pytest.mark.parametrize("text", GROWING.values(), ids=GROWING)
def test_interpolations_that_grow_are_refused_before_they_are_expanded(text: str, tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "run"))
    config = run.hydra / "config.yaml"
    config.write_text(f"{config.read_text()}{text}\n")
    with pytest.raises(ConfigError) as refused:
        run.stored_config()
    assert len(str(refused.value).splitlines()) == 1
    assert "config.yaml" in str(refused.value)


def test_size_counts_each_value_once_for_each_time_it_is_named() -> None:
    reject_growth({"a": "x" * 1000, **{f"b{n}": "${a}" * 10 for n in range(60)}})
    with pytest.raises(ConfigError, match=str(MAX_SIZE)):
        reject_growth({"a": "x" * 1000, **{f"b{n}": "${a}" * 10 for n in range(120)}})
    with pytest.raises(ConfigError, match=str(MAX_SIZE)):
        reject_growth({"a": ["x"] * 1000, "c": {"b": ["${a}", "${...a}", "${.[0]}", "${a[3]}"] * 30}})
    with pytest.raises(ConfigError, match=str(MAX_SIZE)):
        reject_growth({"a": "x" * 2**19, "b": "${oc.select:a}${oc.select:a}", "d": "${oc.env:HOME,${b}}"})
    reject_growth({"a": "x" * 2**19, "b": r"\${a}\${a}\${a}", "c": "${nothing} ${a.b} ${.....a}"})


@pytest.mark.parametrize("override", ["+noise", "+train"])
def test_interpolations_of_the_command_line_are_bounded_as_well(override: str) -> None:
    register()
    doubled = [f"{override}.b{n}=${{.b{n - 1}}}${{.b{n - 1}}}" for n in range(1, 40)]
    with pytest.raises(ConfigError, match="expand to more than"):
        compose([f"{override}.b0=x", *doubled])


@pytest.mark.parametrize("text", [ALIASES, "q: !!bool x", "q: {1: a}", LISTS], ids=["aliases", "bool", "key", "lists"])
def test_options_of_a_user_are_bounded_as_well(text: str, workplace: Path, gan_train: Command) -> None:
    (workplace / "own" / "loss").mkdir(parents=True)
    (workplace / "own" / "loss" / "mine.yaml").write_text("# @package noise\n" + text)
    done = gan_train("--config-dir", "own", "loss=mine", *TINY, "dataset=ring8")
    assert (done.status, len(done.err.splitlines())) == (2, 1), done.err


def test_alias_in_an_option_of_a_user_is_expanded(workplace: Path, gan_train: Command) -> None:
    (workplace / "own" / "experiment").mkdir(parents=True)
    text = "# @package _global_\narchitecture: {generator_hidden: &a [8, 8], discriminator_hidden: *a}\n"
    (workplace / "own" / "experiment" / "mine.yaml").write_text(text)
    done = gan_train("--config-dir", "own", "experiment=mine", "dataset=ring8", "dry_run=true")
    assert done.status == 0, done.err
    assert "discriminator_hidden=(8, 8)" in done.out


@pytest.mark.parametrize("text", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_report_of_a_run_whose_hydra_yaml_is_not_plain(text: str, workplace: Path, gan_report: Command) -> None:
    run = write_run(workplace / "run")
    (run / ".hydra" / "hydra.yaml").write_text(text)
    done = gan_report("run")
    assert done.status == 0, done.err
    assert not Path("canary").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="FIFOs are of POSIX")
def test_fifo_as_an_option_is_not_waited_for(workplace: Path, gan_train: Command) -> None:
    (workplace / "own" / "loss").mkdir(parents=True)
    os.mkfifo(workplace / "own" / "loss" / "mine.yaml")
    assert gan_train("--config-dir", "own", "loss=mine").status == 2
