"""The backbone inception: what its network sees, its package, and its weights."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from gan_cli.errors import ConfigError, DataError
from gan_cli.evaluation.backbones import inception as inception_module
from gan_cli.evaluation.backbones.inception import FILE, load_inception
from tests.helpers.weight_files import Harm, saved

CPU = torch.device("cpu")
RANDOM = np.random.default_rng(0)


# A stand-in for torch-fidelity: its interface, with a mean over pixels in place of the network.
STAND_IN = """
import torch

class FeatureExtractorInceptionV3(torch.nn.Module):
    def __init__(self, name, features_list, feature_extractor_weights_path=None, **kwargs):
        super().__init__()
        assert features_list == ["2048"]
        self.scale = torch.nn.Linear(1, 1, bias=False)
        self.load_state_dict(torch.load(feature_extractor_weights_path))
        self.seen = []

    def forward(self, images):
        assert images.dtype == torch.uint8 and images.dim() == 4 and images.shape[1] == 3
        assert images.is_contiguous()
        self.seen.append(images.clone())
        means = images.float().mean(dim=(2, 3)) * self.scale.weight[0, 0]
        return (means.repeat(1, 683)[:, :2048],)
"""


@pytest.fixture
def fidelity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """torch-fidelity, or what looks like it, is installed; gives a file of weights."""
    package = tmp_path / "site" / "torch_fidelity"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "feature_extractor_inceptionv3.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(package.parent)
    weights = tmp_path / "weights.pth"
    torch.save({"scale.weight": torch.tensor([[2.0]])}, weights)
    yield weights
    for name in [name for name in sys.modules if name.startswith("torch_fidelity")]:
        del sys.modules[name]


@pytest.mark.parametrize("channels", [1, 3])
def test_inception_sees_bytes_in_three_channels(channels: int, fidelity: Path, tmp_path: Path) -> None:
    made = load_inception(fidelity, tmp_path, CPU)
    images = RANDOM.integers(0, 256, (inception_module.BLOCK + 3, channels, 5, 6), dtype=np.uint8)
    features = made.extract(images).features
    assert features.shape == (len(images), 2048)
    assert features.dtype == np.float32
    expected = 2 * images.mean(axis=(2, 3))[:, [0, 0, 0] if channels == 1 else [0, 1, 2]]
    assert np.allclose(features[:, :3], expected, rtol=1e-5)
    seen: list[torch.Tensor] = made.extractor.seen  # type: ignore[attr-defined]
    assert torch.equal(torch.cat(seen)[:, :channels], torch.from_numpy(images))
    assert made.facts["weights"] == "not the published ones"
    assert "299" in made.facts["resizing"]


def test_inception_without_its_package(tmp_path: Path) -> None:
    if "torch_fidelity" in sys.modules:
        pytest.skip("torch-fidelity is installed here")
    with pytest.raises(ConfigError, match=r"^backbone inception: .* pip install 'gan-cli\[fid\]'$"):
        load_inception(None, tmp_path, CPU)


def test_inception_with_a_package_that_fails(fidelity: Path, tmp_path: Path) -> None:
    (tmp_path / "site/torch_fidelity/feature_extractor_inceptionv3.py").write_text("import no_such_torchvision")
    with pytest.raises(ConfigError, match="no_such_torchvision"):
        load_inception(fidelity, tmp_path, CPU)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no file of weights alone"),
        (b"no archive", "no file of weights alone"),
        (saved(Harm()), "no file of weights alone"),
        (saved({"other": torch.zeros(1)}), "does not fit Inception"),
    ],
    ids=["empty", "text", "code", "other"],
)
def test_wrong_weights_of_inception(
    content: bytes, words: str, fidelity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fidelity.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as refused:
        load_inception(fidelity, tmp_path, CPU)
    assert len(str(refused.value).splitlines()) == 1
    assert not Path("harmed").exists()


def test_weights_that_are_not_there(fidelity: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        load_inception(tmp_path / "nowhere.pth", tmp_path, CPU)
    with pytest.raises(DataError, match=f"Put {FILE} into {tmp_path}/inception, or name a file with --weights"):
        load_inception(None, tmp_path, CPU, mirrors=("http://127.0.0.1:9/",))
    assert not (tmp_path / "inception").exists()


def test_published_weights_in_the_data_root_are_used(fidelity: Path, tmp_path: Path) -> None:
    (tmp_path / "inception").mkdir()
    (tmp_path / "inception" / FILE).write_bytes(fidelity.read_bytes())
    assert load_inception(None, tmp_path, CPU, mirrors=()).extract(np.zeros((1, 1, 4, 4), np.uint8)).features.sum() == 0


def test_downloaded_weights_are_checked(fidelity: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="SHA-256"):
        inception_module._check(fidelity)
    monkeypatch.setattr(inception_module, "CHECKSUM", inception_module.sha256(fidelity))
    inception_module._check(fidelity)
    made = load_inception(fidelity, tmp_path, CPU)
    assert made.facts["weights"] == "inception-2015-12-05"
