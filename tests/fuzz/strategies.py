"""Broken forms of what the commands read."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

Draw = st.SearchStrategy[Any]

HOSTILE_TARGETS = (
    "os.system",
    "torch.load",
    "torch.hub.load",
    "gan_cli.cli.train.main",
    "gan_cli.runtime.device.os.system",
    "torch.nn.modules.os.system",
    "torch.nn.modules.module.torch.load",
    "builtins.exec",
    "gan_cli.\0.x",
    "gan_cli..x",
    "gan_cli.__main__.main",
    "gan_cli.data.cache.Store",
    "gan_cli.telemetry.event_file.EventFile",
    "torch.nn.Linear",
    "torch.optim.SGD",
    "gan_cli.components.losses.Hinge",
)
HOSTILE_TEXTS = (
    "${oc.env:HOME}",
    "${unique_dir:canary}",
    "${oc.env:GAN_DATA,${unique_dir:canary}}",
    "${hydra:run.dir}",
    "${.x}",
    "${",
    "???",
    "\0",
    "\udcff",
    "x" * 5000,
    "~nobody/x",
)
SCALARS: Draw = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 300),
    st.sampled_from([10**400, -(2**63), 2**63, 10**12]),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(HOSTILE_TEXTS),
)
VALUES: Draw = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text(max_size=6), inner, max_size=3),
        st.builds(
            lambda target, more: {**more, "_target_": target},
            st.sampled_from(HOSTILE_TARGETS) | SCALARS,
            st.dictionaries(st.text(max_size=6), inner, max_size=2),
        ),
    ),
    max_leaves=6,
)


@st.composite
def damaged(draw: Any, content: bytes) -> bytes:
    """Bytes cut short, changed in places, gone on with, or other bytes altogether."""
    kind = draw(st.sampled_from(["cut", "flip", "more", "other"]))
    if kind == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if kind == "more":
        return content + draw(st.binary(min_size=1, max_size=50))
    if kind == "other":
        return bytes(draw(st.binary(max_size=200)))
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 8))):
        changed[draw(st.integers(0, len(changed) - 1))] = draw(st.integers(0, 255))
    return bytes(changed)


def json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)


TAGS = ("step", "time", "loss/d", "divergence/jsd", "speed/steps_per_second", "diagnosis/mode_collapse", "metrics/x/y")
LINES: Draw = st.lists(
    st.one_of(
        st.dictionaries(st.sampled_from(TAGS) | st.text(max_size=5), VALUES, max_size=5).map(json_text),
        st.text(max_size=40),
        st.sampled_from(
            ["[" * 3000, '{"a":' * 3000, '{"step": 1, "loss/d": NaN}', '{"step": 2, "loss/d": 0.', "9" * 9000]
        ),
    ),
    max_size=5,
).map("\n".join)
WHOLE_STATUS: Draw = st.sampled_from(["completed", "interrupted", "failed", "diverged"])
SUMMARIES: Draw = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "status": WHOLE_STATUS | VALUES,
            "step": VALUES,
            "seconds": VALUES,
            "final": VALUES | st.dictionaries(st.sampled_from(TAGS), VALUES),
            "best": VALUES | st.dictionaries(st.sampled_from(TAGS), VALUES),
            "alarms": VALUES
            | st.lists(st.fixed_dictionaries({"name": VALUES}, optional={"step": VALUES, "try": VALUES})),
        },
    ).map(json_text),
    VALUES.map(json_text),
    st.text(max_size=30),
)

KEYS = ("loss", "noise", "loss/penalty", "dataset", "seed", "train.steps", "optimizer.lr", "noise.start", "architecture.latent_dim", "resume",
        "loss.penalty", "loss.objective", "loss.objective._target_", "device.threads", "hydra.run.dir", "optimizer.betas",
        "hydra/launcher", "train", "x", "", "a.b.c", "loss@x", "hydra.searchpath", "dataset.root")  # fmt: skip
OPTIONS = ("jsd", "wgan", "[0]", "[null]", "[{a:1}]", "[r1,1]", "ring8", "mnst", "1", "-1", "1e400", "nan", "null", "[1,2]", "{a:1}", "[", "}", "'x", '"x"', "1,2",
           "range(1,5)", "choice(a,b)", "glob(*)", "${x}", "${oc.env:NO}", "${.lr}", "${hydra:runtime.cwd}", "", "\\", "\0", "é",
           "int(3)", "extend_list(1)", "shuffle(1,2)", "[" * 60, "{a:" * 60, "9" * 5000, "x" * 3000, "???", *HOSTILE_TARGETS)  # fmt: skip
OVERRIDES: Draw = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(["", "+", "++", "~", "~~", " "]),
            st.sampled_from(KEYS) | st.text(max_size=5),
            st.sampled_from(["=", "", "==", ":=", " = "]),
            st.sampled_from(OPTIONS) | st.text(max_size=8),
        ).map("".join),
        st.text(max_size=12),
    ),
    max_size=4,
)
FLAGS = ("--n", "--seed", "--out", "--walk", "--separate", "--label", "--sort", "--metric", "--csv", "--each", "--html",
         "--samples", "--weights", "--neighbours", "--json", "--backbone", "--format", "--seconds", "--profile", "-cd",
         "--no-ema", "--", "-x", "--version")  # fmt: skip
ARGUMENTS: Draw = st.lists(
    st.one_of(
        st.sampled_from(FLAGS),
        st.sampled_from(
            [
                "run",
                "nowhere",
                "0",
                "-1",
                "1e9",
                "nan",
                "",
                "\0",
                "a.png",
                "b.npy",
                "x" * 5000,
                "é\udcff",
                "pixels",
                "onnx",
            ]
        ),
        st.text(max_size=8),
    ),
    max_size=5,
)
