"""The registry of metrics: what is declared, in which order, and what a module of the user's own adds to it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gan_cli.errors import ConfigError
from gan_cli.metrics import registry
from gan_cli.metrics.directions import direction
from gan_cli.metrics.registry import NEEDS, MetricInfo, metric, metric_info, metric_infos, metrics, registered
from gan_cli.storage.plugins import PLUGINS

PLUGIN = """
from gan_cli.metrics.registry import MetricInfo, metric, metrics
from gan_cli.metrics.frechet import frechet_distance

@metric("spread", "pixels", better="higher")
def spread(real, generated):
    \"\"\"Largest coordinate.

    And nothing else.
    \"\"\"
    return generated.max()
"""


def plugin(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv(PLUGINS, name)


def test_every_number_says_what_it_is() -> None:
    for name, info in metric_infos().items():
        assert info.name == name
        assert info.description, name
        assert info.better in ("lower", "higher", "as floor", "-", "0.5"), name


def test_order_is_that_of_the_needs() -> None:
    needs = [each.needs for each in registered()]
    assert needs == sorted(needs, key=NEEDS.index)
    assert [each.path for each in registered("moments")] == ["gan_cli.metrics.frechet.frechet_distance"]


def test_published_names_belong_to_their_backbone() -> None:
    (distance,) = registered("moments")[0].numbers
    assert [distance.tag(backbone) for backbone in ("pixels", "inception")] == ["frechet/pixels", "fid"]
    assert metric_info("fid").better == "lower"
    assert direction("metrics/kid") == -1


def test_module_of_the_users_own_adds_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = registered()
    plugin(tmp_path, monkeypatch, "plugin_of_a_spread", PLUGIN)
    (added,) = {each.path for each in registered()} - {each.path for each in before}
    assert added == "plugin_of_a_spread.spread"  # and not what it imports
    assert metric_info("spread/pixels") == MetricInfo("spread", "pixels", "higher", "Largest coordinate")
    assert direction("metrics/spread/classifier") == 1
    monkeypatch.delenv(PLUGINS)
    assert registered() == before
    assert direction("metrics/spread/classifier") == 0


def test_name_that_is_taken_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin(tmp_path, monkeypatch, "plugin_of_a_taken_name", PLUGIN.replace('"spread"', '"recall"'))
    with pytest.raises(ConfigError, match=r"^plugin_of_a_taken_name\.spread: there is another metric 'recall'"):
        metric_infos()


def test_need_that_is_misspelt_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = PLUGIN.replace('better="higher"', 'needs="feature"')
    plugin(tmp_path, monkeypatch, "plugin_of_a_misspelt_need", text)
    with pytest.raises(ConfigError, match=r"^metric 'spread': needs: there is no 'feature'\. Did you mean 'features'"):
        registered()


def test_module_that_cannot_be_imported_adds_none(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = registered()
    monkeypatch.setenv(PLUGINS, "no_such_plugin")
    with caplog.at_level(logging.WARNING, "gan_cli"):
        assert registered() == before
        assert registered() == before
    (record,) = caplog.records
    assert "GAN_PLUGINS: no_such_plugin cannot be imported" in record.getMessage()


def test_number_that_is_not_declared_is_a_mistake() -> None:
    @metrics(MetricInfo("a"), MetricInfo("b"))
    def two(real: object, generated: object) -> dict[str, float]:
        return {"a": 1.0, "c": 2.0}

    @metric("one")
    def one(real: object, generated: object) -> float:
        return 3.0

    assert getattr(one, registry.DECLARATION).compute(None, None) == {"one": 3.0}
    with pytest.raises(ValueError, match="two returned 'c', which it does not declare"):
        getattr(two, registry.DECLARATION).compute(None, None)
