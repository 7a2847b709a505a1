"""Configurations from files and command lines: interpolations, scalars of YAML, paths, and Hydra's own settings."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.core.global_hydra import GlobalHydra
from hypothesis import strategies as st
from omegaconf import OmegaConf

from gan_cli.cli import report, train
from gan_cli.config.compose import compose, register
from gan_cli.config.validate import validate_config
from gan_cli.errors import UserError
from gan_cli.storage import untrusted_yaml
from gan_cli.storage.run_directory import RunDirectory
from tests.fuzz.commands import command
from tests.helpers.run_directories import write_run

NAMES = ("a", "b", "c", "d", "e", "f", "a.x", "b.y", "train.steps", "c[0]", "noise.a", "", ".a", "..b", "...", "c.0")
REFERENCES = st.sampled_from(NAMES).map(lambda name: f"${{{name}}}") | st.sampled_from(
    ["${oc.env:GAN_DATA,x}", "${oc.select:a}", "${oc.dict.values:b}", "${oc.create:${a}}", "${a.${b}}", r"\${a}", r"\\${a}", "${", "}",
     "${oc.env:HOME}", "${unique_dir:canary}", "${oc.decode:${a}}", "${now:%Y}", "${hydra:job.num}", "${x:", "'", "\\"]
)  # fmt: skip
TEXTS = st.lists(REFERENCES | st.sampled_from(["x", "xxxxxxxxxx", "1", " "]), max_size=4).map("".join) | st.builds(
    lambda text, times: text * times, REFERENCES, st.sampled_from([1, 2, 50, 3000])
)
TREES = st.recursive(
    TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyab0"), inner, max_size=3),
    max_leaves=4,
)
BOMBS = st.tuples(st.integers(2, 60), st.integers(1, 40), st.sampled_from(["text", "list", "map"])).map(
    lambda drawn: _bomb(*drawn)
)
SCALAR_TAGS = ("bool", "int", "float", "null", "timestamp", "binary", "str", "merge", "value", "set", "omap", "pairs", "seq", "map",
               "python/none", "python/object/apply:os.mkdir", "python/name:os.system", "python/tuple")  # fmt: skip
SCALAR_TEXTS = ("x", "1", "9" * 5000, "0x" + "f" * 3000, "1:30", "190:20:30.15", "1e400", "-.inf", ".nan", "0o17", "08", "1_0", "true",
                "on", "~", "2001-01-01", "2001-12-14t21:59:43.10-05:00", "=", "<<", "aGk=", "canary", "", "-", "+", ".", "1e", "1:99999",
                "0b", "_", "1__0", ":", "\x85", "\u2028")  # fmt: skip
SCALARS = st.builds(
    lambda tag, text: f"{tag}{text}",
    st.just("") | st.sampled_from(SCALAR_TAGS).map(lambda tag: f"!!{tag} ") | st.just("!x ") | st.just("&a ") | st.just("*"),
    st.sampled_from(SCALAR_TEXTS) | st.text(max_size=6),
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(inner, inner), max_size=3).map(
            lambda pairs: f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
        )
    ),
    max_leaves=5,
)
ODD = st.text(st.sampled_from("aÜ中 ~()[]{}=#,'\"$\\:/.*?&|<>\t\n\x1b"), max_size=10) | st.text(
    st.characters(exclude_characters="\0"), max_size=8
)
PATH_KEYS = (
    "dataset.path",
    "dataset.root",
    "resume",
    "hydra.run.dir",
    "hydra.sweep.dir",
    "sweep.continue",
    "optimizer.file",
)
SETTINGS = ("run.dir", "run", "sweep.dir", "sweep.subdir", "sweep", "job.name", "job.chdir", "job.env_set", "job.env_copy", "job",
            "job.config", "job.config.override_dirname.exclude_keys", "job.num", "job.id", "mode", "verbose", "searchpath", "callbacks",
            "callbacks.tally", "callbacks.tally._target_", "output_subdir", "launcher", "launcher._target_", "sweeper", "sweeper.params",
            "sweeper.max_batch_size", "runtime.cwd", "runtime.choices", "runtime.output_dir", "overrides.task", "help.template",
            "hydra_logging", "job_logging", "job_logging.version", "help", "nothing", "")  # fmt: skip
SETTING_VALUES = ("???", "", "null", ".", "..", "~", "/", "3", "-1", "1.5", "true", "abc", "[]", "[a]", "[3]", "{}", "{a:1}", "{a:{b:1}}",
                  "${oc.env:NOT_SET}", "${x}", "${x:y}", "${hydra:job.num}", "${.dir}", "${now:%Y}", "${", "'", "a b", "é", "os.system",
                  "${oc.env:A,B,C}", "${oc.decode:[}", "1,2", "range(1,3)", "x" * 3000, "9" * 5000)  # fmt: skip
GROUPS = ("launcher", "sweeper", "job_logging", "hydra_logging", "help", "output", "env", "nothing")


def _bomb(count: int, times: int, kind: str) -> dict[str, Any]:
    forms: dict[str, Callable[[str], Any]] = {
        "text": lambda one: one * times,
        "list": lambda one: [one] * times,
        "map": lambda one: {f"k{n}": one for n in range(times)},
    }
    return {"v0": "xxxxxxxxxx", **{f"v{n}": forms[kind](f"${{v{n - 1}}}") for n in range(1, count)}}


def _interpolations(drawn: tuple[dict[str, Any], str]) -> None:
    tree, way = drawn
    register()
    GlobalHydra.instance().clear()
    if way == "stored":
        shutil.rmtree("run", ignore_errors=True)
        run = RunDirectory(write_run(Path("run")))
        config = run.hydra / "config.yaml"
        config.write_text(f"{config.read_text()}{yaml.safe_dump(tree)}")
        validate_config(run.stored_config())
    elif way == "options":
        Path("own/loss").mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(tree).replace("unique_dir", "oc.env")  # options of one's own may call resolvers
        Path("own/loss/mine.yaml").write_text(f"# @package noise\n{text}")
        validate_config(compose(["loss=mine"], Path("own")).config)
    else:
        texts = {key: value for key, value in tree.items() if isinstance(value, str) and "unique_dir" not in value}
        validate_config(compose([f"+noise.{key}={value}" for key, value in texts.items()]).config)


def _scalars(text: str) -> None:
    shutil.rmtree("run", ignore_errors=True)
    run = write_run(Path("run"))
    content = f"runtime: {{choices: {text}}}\n".encode("utf-8", "surrogatepass")
    for name in ("hydra.yaml", "overrides.yaml"):
        (run / ".hydra" / name).write_bytes(content)
    command(report.main, ["run"])
    _assert_plain(untrusted_yaml.load_plain(run / ".hydra" / "hydra.yaml"))


def _assert_plain(value: object) -> None:
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        for inner in value.values():
            _assert_plain(inner)
    elif isinstance(value, list):
        for inner in value:
            _assert_plain(inner)
    else:
        assert type(value) in (str, int, float, bool, type(None))


def _path(drawn: tuple[str, str, bool]) -> None:
    key, path, multirun = drawn
    register()
    GlobalHydra.instance().clear()
    if key == "dataset.path" and not multirun:
        try:
            composed = compose(["dataset=image_folder", f"{key}={path}"])
        except UserError:
            assert "${" in path  # an interpolation
        else:
            found = OmegaConf.select(composed.config, "dataset.path")  # None for Hydra's ???
            as_typed = found is not None and Path(found) in (Path(path), Path(path).absolute())
            assert as_typed or set(path) & set("\\'\"$") or path in ("null", "???"), found
    flags = ["-m"] if multirun else []
    command(train.main, [*flags, "dry_run=true", "dataset=ring8", f"{key}={path}"])


def _settings(drawn: list[tuple[str, str, str]]) -> None:
    GlobalHydra.instance().clear()
    environment = dict(os.environ)
    try:
        command(train.main, ["dry_run=true", "dataset=ring8", *(f"{left}{key}={value}" for left, key, value in drawn)])
    finally:
        os.environ.clear()
        os.environ.update(environment)


# Name -> inputs, and what they are handed to.
KINDS: Mapping[str, tuple[st.SearchStrategy[Any], Callable[[Any], object]]] = {
    "interpolations": (
        st.tuples(
            st.dictionaries(st.sampled_from("abcdef"), TREES, min_size=1, max_size=6) | BOMBS,
            st.sampled_from(["stored", "options", "typed"]),
        ),
        _interpolations,
    ),
    "yaml scalars": (DOCUMENTS, _scalars),
    "path values": (st.tuples(st.sampled_from(PATH_KEYS), ODD, st.sampled_from([False, False, True])), _path),
    "hydra settings": (
        st.lists(
            st.tuples(
                st.sampled_from(["hydra.", "+hydra.", "++hydra.", "~hydra."]),
                st.sampled_from(SETTINGS),
                st.sampled_from(SETTING_VALUES),
            )
            | st.tuples(st.just("hydra/"), st.sampled_from(GROUPS), st.sampled_from(["basic", "none", "null", "nothing", "[a]", ""])),
            min_size=1,
            max_size=2,
        ),
        _settings,
    ),
}  # fmt: skip
