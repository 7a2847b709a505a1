"""Settings of a Hugging Face dataset that do not fit, and a library that is missing, old or broken."""

from __future__ import annotations

import importlib
import importlib.metadata
from pathlib import Path

import pytest

from gan_cli.datasets.huggingface import HuggingFace
from gan_cli.errors import ConfigError, DataError, InvalidValueError
from tests.helpers.image_tables import caches, dataset, table


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"column": "imag"},
            r"there is no column 'imag'\. Did you mean 'image'\? There are: image, file, label, animal",
        ),
        ({"label_column": "lable"}, r"there is no column 'lable'\. Did you mean 'label'\?"),
        ({"column": "animal"}, "column 'animal' holds .*string.*; expected images or their files' bytes"),
        ({"label_column": "weight"}, "row 0 has the label 0.5 in column 'weight'; expected an integer or a word"),
        ({"split": "trian"}, r"there is no split 'trian'\. Did you mean 'train'\? There are: train"),
        ({"subset": "other"}, "cannot be read .*other"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    library: object, folder: Path, root: Path, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        dataset(table(folder), root, **settings).load()
    assert caught.value.exit_status == 3
    assert "\n" not in str(caught.value)
    assert caches(root) == []


def test_a_folder_that_is_not_there_is_never_looked_up_on_the_hub(library: object, folder: Path, root: Path) -> None:
    table(folder)
    with pytest.raises(DataError, match=r"there is no folder .*/animal\. Did you mean 'animals'\?"):
        dataset(folder.parent / "animal", root).load()


@pytest.mark.parametrize(
    "settings",
    [
        {"name": None},
        {"name": ""},
        {"root": ""},
        {"column": ""},
        {"label_column": ""},
        {"label_column": "image"},
        {"split": ""},
        {"size": 3},
        {"channels": 2},
        {"workers": 0},
    ],
)
def test_wrong_values_are_refused_before_anything_is_read(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError) as caught:
        HuggingFace(**{"name": "owner/name", "root": "data", **settings})  # type: ignore[arg-type]
    assert [caught.value.key] == list(settings)


@pytest.mark.parametrize(
    ("release", "message"),
    [(None, r"is not installed: pip install 'gan-cli\[huggingface\]'"), ("3.6.0", "run code that a dataset brings")],
)
def test_a_missing_or_old_library_is_reported_before_anything_is_done(
    folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch, release: str | None, message: str
) -> None:
    def version(name: str) -> str:
        if release is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return release

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(ConfigError, match=message) as caught:
        dataset(folder, root).load()
    assert caught.value.exit_status == 2
    assert not root.exists()


def test_a_broken_library_is_reported(folder: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> object:
        raise ImportError(f"{name} has no pyarrow")

    monkeypatch.setattr(importlib.metadata, "version", lambda name: "4.0.0")
    monkeypatch.setattr(importlib, "import_module", broken)
    with pytest.raises(ConfigError, match=r"fails \(datasets has no pyarrow\): pip install"):
        dataset(folder, root).load()
