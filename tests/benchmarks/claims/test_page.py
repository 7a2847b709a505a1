"""The page of the claims: what each section has, what is kept of an earlier page, and stored results."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from benchmarks.claims import page
from benchmarks.claims.catalogue import CLAIMS
from benchmarks.claims.claim import Result
from tests.helpers.claims import NAMES, passing


def test_page_tells_every_seed_and_how_to_run_it() -> None:
    claim = CLAIMS["jsd_saturates"]
    good = passing(claim)
    result = Result({0: {**good, "beside": 0.5}, 1: {**good, "beside": 1234.5}}, 12.3, "a machine")
    text = page.page(CLAIMS, {claim.name: result}, "images/claims")
    assert "| beside |  | 0.5 | 1,234 | 618 | 0.5 | 1,234 |  |" in text
    assert "| JSD at theta = 0 | <= 0.02 | 0.02 | 0.02 | 0.02 | 0.02 | 0.02 | holds |" in text
    assert (
        "gan-train -m --config-dir benchmarks/conf experiment=claim_jsd_saturates_jsd"
        " dataset.theta=-1,-0.5,-0.25,-0.1,0,0.1,0.25,0.5,1 seed=0,1"
    ) in text
    assert "python -m benchmarks.claims --only jsd_saturates" in text
    assert "optimal_discriminator" not in text
    # A result of an earlier protocol, without a metric that is judged now, is left out.
    assert "## jsd_saturates" not in page.page(
        CLAIMS, {claim.name: Result({0: {"beside": 1.0}}, 1.0, "here")}, "images"
    )


@pytest.mark.parametrize("name", NAMES)
def test_section_begins_with_what_one_should_see_and_its_picture(name: str) -> None:
    claim = CLAIMS[name]
    lines = page.section(claim, Result({0: passing(claim)}, 1.0, "here"), "images/claims").split("\n\n")
    assert lines[0].strip() == f"## {name}"
    assert lines[1] == f"What you should see: {claim.look_for}"
    assert lines[2] == f"![{claim.caption}](images/claims/{name}.png)"
    assert claim.look_for.count(". ") <= 3
    verdict = next(index for index, line in enumerate(lines) if line.startswith("Verdict: "))
    assert verdict > 2


def test_a_page_keeps_the_sections_of_claims_that_were_not_run_again() -> None:
    def result(name: str, seeds: int, seconds: float) -> Result:
        return Result(dict.fromkeys(range(seeds), passing(CLAIMS[name])), seconds, "here")

    afternoon = {name: result(name, 1, 7.0) for name in ("jsd_saturates", "wgan_covers")}
    before = page.page(CLAIMS, afternoon, "images/claims")
    after = page.page(CLAIMS, {"mode_collapse": result("mode_collapse", 2, 9.0)}, "images/claims", before)
    names = re.findall(r"^## (.*)$", after, re.MULTILINE)
    assert names == ["jsd_saturates", "mode_collapse", "wgan_covers"], "in the order of the page"
    kept, now = page.read_entries(before), page.read_entries(after)
    assert {name: now[name] for name in afternoon} == kept
    # The new result replaces the old one, and writing a page twice changes nothing.
    again = page.page(CLAIMS, {"wgan_covers": result("wgan_covers", 3, 1.0)}, "images/claims", after)
    assert "| seed 2 |" in page.read_entries(again)["wgan_covers"].section
    assert page.page(CLAIMS, {}, "images/claims", again) == again


def test_times_are_those_of_the_page() -> None:
    result = Result(dict.fromkeys(range(2), passing(CLAIMS["jsd_saturates"])), 3000.4, "here")
    text = page.page(CLAIMS, {"jsd_saturates": result}, "images/claims")
    assert page.processor_seconds(text) == {"jsd_saturates": 1500.0}


def test_results_survive_being_stored(tmp_path: Path) -> None:
    result = Result({0: {"a": math.inf}, 1: {"a": 0.1}}, 3.5, "here")
    (tmp_path / "some.json").write_text(page.to_json(result))
    assert page.read_results(tmp_path) == {"some": result}


@pytest.mark.parametrize(
    ("value", "text"), [(8.0, "8"), (0.69314, "0.693"), (math.inf, "never"), (1721.3, "1,721"), (1e-9, "1e-09")]
)
def test_numbers_have_three_digits(value: float, text: str) -> None:
    assert page.number(value) == text
