"""Every option under ``conf/``, found by listing the folder, and the overrides that make a run of it small."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from gan_cli.config.schema import conf_dir
from tests.conftest import TINY, real_data_root
from tests.helpers.image_folder import archive_folder, make_folder, write_idx
from tests.helpers.paths import ROOT

SMALL_READER = ["architecture.reader_model.sizes=[1,2]", "architecture.reader_model.filters=[2,2]"]
SMALL_WIDTHS = {
    "dcgan": ["architecture.width=4"],
    "dcgan_small": ["architecture.width=4"],
    "resnet": ["architecture.width_g=4", "architecture.width_d=4"],
    "r3gan": ["architecture.width=4", "architecture.cardinality=2"],
    "gaussian": ["architecture.discriminator_hidden=[8]"],
    "segment": ["architecture.discriminator_hidden=[8]"],
    "vae": [f"architecture.{part}_hidden=[8]" for part in ("encoder", "generator", "discriminator")],
    "vae_conv": ["architecture.width=4"],
    "denoiser_mlp": ["architecture.width=8", "architecture.blocks=1", "architecture.embedding=8"],
    "unet": ["architecture.width=8", "architecture.multipliers=[1,1]", "architecture.groups=2"],
    "lstm": ["architecture.embedding=4", "architecture.hidden=4", *SMALL_READER],
}
# Where a recipe has settings for its data, other data would not know them: a part of its own is trained on.
FEW = {"mnist": ["dataset.split=test", "dataset.size=16"], "stacked_mnist": ["dataset.count=32"]}
TRAINED_ELSEWHERE = {
    "dataset=mnist": "below, and downloaded in tests/datasets/test_mnist.py",
    "dataset=fashion_mnist": "downloaded in tests/datasets/test_mnist.py",
    "dataset=stacked_mnist": "below",
    "dataset=cifar10": "tests/datasets/test_cifar.py",
    "dataset=cifar100": "tests/datasets/test_cifar100.py",
    "dataset=svhn": "tests/datasets/test_svhn.py",
    "dataset=stl10": "tests/datasets/test_stl10.py",
    "dataset=huggingface": "tests/datasets/huggingface",
    **{f"logger={name}": "tests/telemetry/test_trackers.py" for name in ("mlflow", "trackio", "wandb")},
}
# Recipes of other models, cut down.
SMALL_AUTOENCODER, SMALL_WRITER = (SMALL_WIDTHS[name] for name in ("vae", "lstm"))
FEW_SEQUENCES = ["dataset.count=60", "dataset.length=5"]
SHORT_GAME = ["algorithm.mle_epochs=1", "algorithm.d_pretraining=0", "algorithm.d_samples=8", "algorithm.measured=20"]
SMALL_RECIPES = {
    "vae_mnist": ["dataset=digits", *SMALL_AUTOENCODER, "train.held_out=0"],
    "seqgan_coco": [*SMALL_WRITER, *SHORT_GAME, "dataset.max_length=5"],
    **{f"seqgan_oracle{kind}": [*SMALL_WRITER, *SHORT_GAME, *FEW_SEQUENCES] for kind in ("20", "20_short", "40")},
}
SMALL_ALGORITHMS = {
    "vae": SMALL_AUTOENCODER,
    "autoencoder": SMALL_AUTOENCODER,
    "diffusion": SMALL_WIDTHS["denoiser_mlp"],
    "seqgan": ["dataset=oracle", *SMALL_WRITER, *SHORT_GAME, *FEW_SEQUENCES],
}
IN_THE_PLANE = ("ring8", "grid25", "parallel_lines")
NEEDED = {
    "dataset=arrays": [f"dataset.path={ROOT / 'tests' / 'helpers' / 'squares.npy'}"],
    "dataset=image_folder": [f"dataset.path={ROOT / 'docs'}"],
    "dataset=table": [f"dataset.path={ROOT / 'tests' / 'helpers' / 'points.csv'}"],
    "dataset=huggingface": ["dataset.name=owner/name"],
    "architecture=gaussian": ["dataset=ring8"],
    "architecture=segment": ["dataset=parallel_lines"],
    "architecture=lstm": ["algorithm=seqgan", "dataset=oracle"],
    "architecture=denoiser_mlp": ["algorithm=diffusion"],
    "architecture=unet": ["algorithm=diffusion", "architecture.multipliers=[1,1]"],
    "dataset=oracle": ["algorithm=seqgan"],
    "dataset=text": ["algorithm=seqgan", f"dataset.path={ROOT / 'README.md'}"],
    "experiment=seqgan_coco": [f"dataset.path={ROOT / 'README.md'}"],
    "algorithm=seqgan": ["dataset=oracle"],
    "loss=none": ["algorithm=vae"],
}
# Groups that only one algorithm has.
OF_ALGORITHM = {
    "algorithm/beta": ["algorithm=vae"],
    "algorithm/likelihood": ["algorithm=vae"],
    "algorithm/estimator": ["algorithm=seqgan", "dataset=oracle"],
    "algorithm/schedule": ["algorithm=diffusion"],
    "algorithm/reverse": ["algorithm=diffusion"],
}


@cache
def _sample_files() -> Path:
    """A folder with an archive of pictures and an IDX file."""
    folder = Path(tempfile.mkdtemp(prefix="gan-cli-options-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    archive_folder(make_folder(folder / "pictures", 8), folder / "pictures.zip")
    write_idx(folder / "images-idx3-ubyte", 8, 28)
    return folder


OF_FILES = {"dataset=image_archive": "pictures.zip", "dataset=idx": "images-idx3-ubyte"}


# Options whose packages the environment of the tests may lack.
PACKAGES = {f"logger={name}": name for name in ("mlflow", "trackio", "wandb")}


def missing_package(option: str) -> str | None:
    """The package that the option cannot do without and that is not installed."""
    group, _, names = option.partition("=")
    packages = [PACKAGES.get(f"{group}={name}") for name in names.strip("[]").split(",")]
    return next((package for package in packages if package is not None and find_spec(package) is None), None)


def needed(option: str) -> list[str]:
    """What an option cannot do without."""
    if option in OF_FILES:
        return [f"dataset.path={_sample_files() / OF_FILES[option]}"]
    return [*OF_ALGORITHM.get(option.partition("=")[0], []), *NEEDED.get(option, [])]


def options() -> list[str]:
    """``group=option`` for every file below conf/ but the root and Hydra's own (``tests/sweeps/test_launchers.py``)."""
    files = sorted(file.relative_to(conf_dir()).with_suffix("") for file in conf_dir().rglob("*.yaml"))
    return [f"{file.parent}={file.name}" for file in files if file.parent != Path() and file.parts[0] != "hydra"]


def choice(recipe: DictConfig, group: str) -> str:
    """The option of a group that a recipe selects."""
    (name,) = (entry[f"override /{group}"] for entry in recipe.defaults if f"override /{group}" in entry)
    return str(name)


def small(option: str, workplace: Path, conf: Path | None = None) -> list[str]:
    """Overrides that make the option, of a recipe in another folder than conf/ as well, quick, without a download."""
    group, _, name = option.partition("=")
    if group == "experiment" and name in SMALL_RECIPES:
        lines = workplace / "lines.txt"
        lines.write_text("a b c\nb c a\nc a\n" * 20)
        return [*SMALL_RECIPES[name], *([f"dataset.path={lines}"] if name == "seqgan_coco" else [])]
    if name in ("lstm", "oracle", "text", "adam_seqgan") or group == "algorithm/estimator":
        data = ["dataset.path=lines.txt"] if name == "text" else ["dataset=oracle", *FEW_SEQUENCES]
        (workplace / "lines.txt").write_text("a b c\nb c a\nc a\n" * 20)
        return ["algorithm=seqgan", *data, *SMALL_WRITER, *SHORT_GAME]
    if group == "algorithm" and name in SMALL_ALGORITHMS:
        return SMALL_ALGORITHMS[name]
    if group in ("algorithm/schedule", "algorithm/reverse"):
        return ["algorithm=diffusion", *SMALL_ALGORITHMS["diffusion"]]
    if group in OF_ALGORITHM or option == "loss=none":
        return ["algorithm=vae", *SMALL_AUTOENCODER]
    if group == "architecture":
        return [*SMALL_WIDTHS.get(name, TINY[1:]), *NEEDED.get(option, [])]
    if group == "experiment":
        recipe = OmegaConf.load((conf or conf_dir()) / "experiment" / f"{name}.yaml")
        assert isinstance(recipe, DictConfig)
        architecture, dataset = choice(recipe, "architecture"), choice(recipe, "dataset")
        if dataset in IN_THE_PLANE:
            data = []
        elif "dataset" in recipe:
            data = [*FEW[dataset], f"dataset.root={real_data_root()}"]
        else:
            data = ["dataset=digits"]
        small_networks = [f"architecture={architecture}", *SMALL_WIDTHS.get(architecture, TINY[1:])]
        return [*data, *small_networks, "train.eval_every=0"]  # a classifier takes longer than all the rest
    if name == "image_folder":
        return [*TINY, f"dataset.path={make_folder(workplace / 'pictures', 8)}", "dataset.size=8"]
    if name == "image_archive":
        pictures = make_folder(workplace / "pictures", 8)
        return [*TINY, f"dataset.path={archive_folder(pictures, workplace / 'pictures.zip')}", "dataset.size=8"]
    if name == "idx":
        return [*TINY, f"dataset.path={write_idx(workplace / 'images-idx3-ubyte', 8)}"]
    return [*TINY, *(NEEDED[option] if name in ("arrays", "table") else [])]


def trainable() -> list[str]:
    """Options of a run; those of sweeps, search spaces, are tried out in tests/sweeps/test_launchers.py."""
    return [option for option in options() if not option.startswith("sweep=")]


def option_nodes() -> list[tuple[str, str, dict[str, object]]]:
    """``(file, path of the node, node)`` for every node with a target in every option file."""
    found = []
    for file in sorted(conf_dir().rglob("*.yaml")):
        stack = [("", OmegaConf.to_container(OmegaConf.load(file), resolve=False))]
        while stack:
            path, node = stack.pop()
            if isinstance(node, dict):
                if "_target_" in node:
                    found.append((str(file.relative_to(conf_dir())), path, node))
                stack += [(f"{path}.{key}", value) for key, value in node.items()]
    return found
