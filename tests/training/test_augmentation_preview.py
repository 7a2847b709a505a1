"""``augment.preview=true``: a picture of what D would see, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from gan_cli.components.ada.pipeline import Ada
from gan_cli.components.augmentation import DiffAugment
from gan_cli.config.preview import pop_preview
from gan_cli.config.schema import conf_dir
from gan_cli.protocols.rng import Stream
from gan_cli.storage import files
from gan_cli.telemetry.images import grid_size
from gan_cli.training.augmentation_preview import COLUMNS, augmented_rows
from tests.conftest import SHORT, TINY, Command

PREVIEW = ("augment.preview=true", "dry_run=true")
OPTIONS = sorted(path.stem for path in (conf_dir() / "augment").glob("*.yaml"))


def images(count: int = 6) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture
def photos(workplace: Path) -> Path:
    folder = workplace / "photos"
    folder.mkdir()
    for number in range(20):
        pixels = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def test_rows_of_an_adaptive_probability() -> None:
    """The probabilities are those of the rows, not the one to begin with; that one stays."""
    augment = Ada(probability=0.0)
    rows = augmented_rows(augment, images(), 0)
    assert list(rows) == ["the images", "probability 0.2", "probability 0.5", "probability 1"]
    assert torch.equal(rows["the images"], images())
    changed = [(row != images()).flatten(1).any(1).float().mean().item() for row in rows.values()]
    assert changed[0] == 0
    assert changed[1] < 1 or changed[2] == changed[3] == 1
    assert changed[3] == 1
    assert augment.metrics()["augment/p"] == 0
    again = augmented_rows(augment, images(), 0)
    assert all(torch.equal(rows[name], again[name]) for name in rows)
    assert not torch.equal(augmented_rows(augment, images(), 1)["probability 1"], rows["probability 1"])


def test_rows_of_a_fixed_probability_and_of_a_class_of_ones_own() -> None:
    class Own:
        def __call__(self, samples: Tensor, random: Stream) -> Tensor:
            return samples * random.uniform(len(samples), 1, 1, 1)

    for augment in (DiffAugment(probability=1.0), Own()):
        rows = augmented_rows(augment, images(), 0)  # type: ignore[arg-type]
        assert list(rows) == ["the images", "draw 1", "draw 2", "draw 3"]
        first, second = rows["draw 1"], rows["draw 2"]
        assert not torch.equal(first, second)
    unchanged = augmented_rows(DiffAugment(probability=0.0), images(), 0)
    assert all(torch.equal(row, images()) for row in unchanged.values())


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "none"])
def test_every_option_is_shown_and_nothing_else_is_written(
    option: str, photos: Path, gan_train: Command, workplace: Path
) -> None:
    command = ("dataset=image_folder", "dataset.path=photos", "dataset.size=8", f"augment={option}", *TINY, *SHORT)
    names = ["augment_preview.png", "augment_preview_1.png"]
    for number, name in enumerate(names):
        done = gan_train(*command, *PREVIEW)
        assert done.status == 0, done.err
        assert done.out.splitlines()[-1].startswith(f"augment.preview {name}; rows: the images, ")
        assert {each.name for each in workplace.iterdir()} == {"photos", *names[: number + 1]}
        assert not (workplace.parent / "data").exists(), "no cache of decoded images"
        with Image.open(name) as picture:
            width, height = grid_size((3, 8, 8), 4 * COLUMNS, COLUMNS)
            assert picture.size > (width, height), "words above the grid and to its left"
            pixels = np.asarray(picture.convert("RGB"))[-height:, -width:]
    real = {np.asarray(Image.open(path)).tobytes() for path in photos.iterdir()}
    corner = pixels[2 : 2 + 56 : 7, 2 : 2 + 56 : 7]
    assert corner.tobytes() in real, "the first row shows the images as they are"
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200
    assert Path(names[0]).read_bytes() == Path(names[1]).read_bytes()


def test_of_a_run_that_is_to_go_on(photos: Path, gan_train: Command) -> None:
    data = ("dataset=image_folder", "dataset.path=photos", "dataset.size=8", "augment=ada")
    assert gan_train(*data, *TINY, *SHORT, "hydra.run.dir=run").status == 0
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    done = gan_train("resume=run", "train.steps=5", *PREVIEW)
    assert done.status == 0, done.err
    assert Path("augment_preview.png").is_file()
    assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("augment=ada", "augment.preview=true"), "expected with dry_run=true"),
        (("augment=ada", "augment.preview=maybe", "dry_run=true"), "expected true or false, got 'maybe'"),
        (PREVIEW, "nothing is augmented; choose an option, such as augment=ada"),
        (("dataset=ring8", "augment=ada", *PREVIEW), "expected none for samples of shape (2,); it changes images"),
        (("dataset=ring8", *PREVIEW), "nothing is augmented"),
        (("algorithm=vae", "augment=ada", *PREVIEW), "augment: expected none for VAE"),
        (("-m", "augment=ada", "seed=0,1", *PREVIEW), "augment.preview: expected for one run, without flags"),
        (("--cfg", "job", "augment=ada", *PREVIEW), "augment.preview: expected for one run, without flags"),
    ],
)
def test_mistakes_cost_one_line(arguments: tuple[str, ...], words: str, gan_train: Command, workplace: Path) -> None:
    done = gan_train(*arguments)
    assert (done.status, done.out) == (2, "")
    assert words in done.err.splitlines()[-1]
    assert list(workplace.iterdir()) == []


def test_data_that_are_not_there_and_a_full_disk(
    photos: Path, gan_train: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = gan_train("dataset=image_folder", "dataset.path=nowhere", "augment=ada", *PREVIEW)
    assert missing.status == 3
    (photos / "00.png").write_bytes(b"broken")
    left_out = gan_train("dataset=image_folder", "dataset.path=photos", "dataset.size=8", "augment=ada", *PREVIEW)
    assert left_out.status == 0, left_out.err

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    done = gan_train("dataset=image_folder", "dataset.path=photos", "dataset.size=8", "augment=ada", *PREVIEW)
    assert (done.status, done.out) == (2, "")
    assert "No space left on device" in done.err.splitlines()[-1]


def test_key_is_no_setting_of_the_augmentation(gan_train: Command, workplace: Path) -> None:
    assert pop_preview(["a=1", "+augment.preview=True", "b=2"]) == (True, ["a=1", "b=2"])
    assert pop_preview(["augment.preview=true", "augment.preview=false"]) == (False, [])
    assert pop_preview(["augment.previews=true", "~augment.preview"]) == (False, ["augment.previews=true"])
    done = gan_train("augment=ada", "augment.preview=false", *TINY, *SHORT, "hydra.run.dir=run")
    assert done.status == 0, done.err
    assert "preview" not in Path("run/.hydra/config.yaml").read_text()
    assert "preview" not in Path("run/.hydra/overrides.yaml").read_text()
