"""An exported model from a stranger: anything in its description, its configuration and its weights."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from hypothesis import strategies as st

from gan_cli.cli import sample
from gan_cli.config.compose import compose, register
from gan_cli.inference.exported_model import ExportedModel
from gan_cli.inference.hub_format import public_config
from tests.fuzz.commands import command
from tests.fuzz.strategies import SCALARS, VALUES, damaged, json_text

CONFIG: dict[str, Any] = {}
WEIGHTS = {"body.0.weight": (4, 2), "body.0.bias": (4,), "body.2.weight": (2, 4), "body.2.bias": (2,)}
STORED = {"version": 1, "step": 3, "checkpoint": "last", "condition": 0, "data": None}
# Of a network of any size that the ranges of the settings allow.
WILD = st.sampled_from([65_536, [65_536] * 3, [1] * 5000, 0, -1, 10**30, "auto", None, [], "${seed}", "os.system"])


def _safetensors(header: Any, length: int) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(length)


def _whole() -> bytes:
    """Weights of the generator of the configuration, all zero."""
    header, start = {}, 0
    for name, shape in WEIGHTS.items():
        length = 4 * int(np.prod(shape))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, start + length]}
        start += length
    return _safetensors(header, start)


ENTRY: Any = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F64", "BF16", "I64", "BOOL", "C64", "F8_E4M3", "U8", "F4", "x"]) | VALUES,
        "shape": st.lists(st.sampled_from([0, 1, 2, 4, -1, 2**31, 2**62]), max_size=4) | VALUES,
        "data_offsets": st.lists(st.sampled_from([0, 8, 32, 48, 2**40, -1]), min_size=2, max_size=2) | VALUES,
    }
)
HEADERS: Any = st.dictionaries(st.sampled_from([*WEIGHTS, "__metadata__", "w"]), ENTRY | VALUES, max_size=4)
WEIGHT_FILES: Any = st.one_of(
    st.just(_whole()), damaged(_whole()), st.builds(_safetensors, HEADERS, st.sampled_from([0, 8, 32, 48, 96]))
)
DESCRIPTIONS: Any = st.one_of(
    st.just(json.dumps({"stored_model": STORED})),
    st.dictionaries(st.sampled_from([*STORED, "x"]), SCALARS | VALUES, max_size=3).map(
        lambda changed: json_text({"gan_cli": "9.9", "stored_model": {**STORED, **changed}})
    ),
    VALUES.map(lambda value: json_text({"stored_model": value})),
    st.text(max_size=20),
)


def _paths(node: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = (
        [deep for key, value in node.items() for deep in _paths(value, (*path, key))] if isinstance(node, dict) else []
    )
    return [path, *inner] if path else inner


def _config(change: tuple[int, Any] | None) -> str:
    if not CONFIG:
        register()
        composed = compose(["dataset=ring8", "architecture=mlp", "architecture.latent_dim=2",
                            "architecture.generator_hidden=[4]"]).config  # fmt: skip
        from omegaconf import OmegaConf

        CONFIG.update(yaml.safe_load(OmegaConf.to_yaml(public_config(composed))))
    config = yaml.safe_load(yaml.safe_dump(CONFIG))
    if change is not None:
        place, value = change
        *above, last = _paths(config)[place % len(_paths(config))]
        node = config
        for key in above:
            node = node[key]
        node[last] = value
    return yaml.dump(config, Dumper=yaml.SafeDumper)


def exported_model(drawn: tuple[str, tuple[int, Any] | None, bytes]) -> None:
    """Sample from a folder, by the command and by the function that others call."""
    description, change, weights = drawn
    folder = Path("exported")
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(description, encoding="utf-8", errors="surrogatepass")
    (folder / "training.yaml").write_text(_config(change), encoding="utf-8", errors="surrogatepass")
    (folder / "model.safetensors").write_bytes(weights)
    command(sample.main, ["exported", "--n", "2", "--out", "samples.npy"])
    ExportedModel(folder).load_state()


KINDS = {
    "exported models": (
        st.tuples(DESCRIPTIONS, st.none() | st.tuples(st.integers(0, 500), WILD | VALUES), WEIGHT_FILES),
        exported_model,
    ),
}
