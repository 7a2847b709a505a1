"""``gan-report --html``: one page, whole, safe and enough by itself."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Command
from tests.helpers.run_directories import write_run, write_sweep

# Elements that have no end.
VOID = {"meta", "img", "br", "hr", "link", "input", "wbr"}
HOSTILE = "\"'><script>alert(1)</script>&<img src=http://evil.example/x onerror=alert(2)>"


class Page(HTMLParser):
    """What a browser would make of a page; elements that are not closed in order fail."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] not in ("style", "script"):
            self.text += data

    def all(self, tag: str, css: str = "") -> list[dict[str, str]]:
        """Attributes of the elements of a name, and of a class."""
        named = [attributes for name, attributes in self.elements if name == tag]
        return [attributes for attributes in named if not css or css in attributes.get("class", "").split()]


def page_of(gan_report: Command, *arguments: object) -> Page:
    done = gan_report("--html", "out/page.html", *arguments)
    assert done.status == 0, done.err
    assert done.out == "out/page.html\n"
    return Page(Path("out/page.html").read_text(encoding="utf-8"))


@pytest.fixture
def sweep_page(gan_report: Command, workplace: Path) -> Page:
    write_sweep(workplace / "sweep")
    return page_of(gan_report, "sweep")


def test_page_needs_nothing_else(sweep_page: Page) -> None:
    for name, attributes in sweep_page.elements:
        assert name not in ("link", "iframe", "object", "base", "form")
        for attribute in ("src", "href", "srcset", "xlink:href", "poster", "data"):
            assert attributes.get(attribute, "data:").startswith("data:"), (name, attributes)
    source = Path("out/page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\(", source)
    assert len(source) < 1_000_000


def test_page_forbids_what_it_does_not_need(sweep_page: Page) -> None:
    (policy,) = [meta["content"] for meta in sweep_page.all("meta") if "http-equiv" in meta]
    assert policy.startswith("default-src 'none'; img-src data:;")
    (script,) = re.findall(r"<script>(.*?)</script>", Path("out/page.html").read_text(encoding="utf-8"), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy


def test_table_has_a_row_for_each_group_and_values_to_sort_by(sweep_page: Page) -> None:
    cells = [cell for cell in sweep_page.all("td") if cell.get("data-heading") == "frechet/pixels"]
    assert [float(cell["data-value"]) for cell in cells] == pytest.approx(
        [1.2 + 0.5 / 3, 2 + 0.5 / 3, 3.2 + 0.5 / 3, 4.5 - 0.5 / 1.5]
    )
    assert "loss and lr on ring8" in sweep_page.text
    assert "12 runs; 4 configurations; 3 seeds each; 12 completed" in sweep_page.text
    assert "Lowest frechet/pixels at the end: loss=jsd, lr=0.0002" in sweep_page.text


def test_curves_have_a_line_for_each_group_and_a_thin_one_for_each_run(sweep_page: Page) -> None:
    charts = [svg["aria-label"] for svg in sweep_page.all("svg", "chart")]
    assert len(charts) == 2
    assert charts[0] == "divergence/jsd over the steps: loss=jsd, lr=0.0002, loss=jsd, lr=0.001"
    assert len(sweep_page.all("polyline", "mean")) == 4
    assert len(sweep_page.all("polyline", "run")) == 12
    assert len(sweep_page.all("polygon", "band")) == 4
    assert len(sweep_page.all("line", "ceiling")) == 1
    assert "ceiling: log 2" in sweep_page.text


def test_groups_can_be_hidden_and_charts_saved(sweep_page: Page) -> None:
    buttons = sweep_page.all("button")
    assert [button["aria-pressed"] for button in buttons if "aria-pressed" in button] == ["true"] * 4
    saved = [button["data-name"] for button in sweep_page.all("button", "download")]
    assert saved == ["divergence/jsd", "divergence/wasserstein"]


def test_every_run_has_its_directory(sweep_page: Page) -> None:
    assert "sweep/11" in sweep_page.text


def test_last_grids_are_embedded(sweep_page: Page) -> None:
    pictures = [image for image in sweep_page.all("img") if "src" in image]
    assert len(pictures) == 12
    for picture in pictures:
        kind, _, content = picture["src"].partition(",")
        assert kind == "data:image/webp;base64"
        with Image.open(io.BytesIO(base64.b64decode(content))) as image:
            assert image.size == (32, 16)


def test_huge_and_broken_grids(gan_report: Command, workplace: Path) -> None:
    samples = write_run(workplace / "run") / "samples"
    Image.effect_noise((3000, 1500), 60).save(samples / "step_00000040.png")
    (samples / "step_00000050.png").write_bytes((samples / "step_00000040.png").read_bytes()[:5000])
    (samples / "step_00000060.png").write_bytes(b"")
    page = page_of(gan_report, "run")
    (picture,) = [image for image in page.all("img") if "src" in image]
    assert (picture["width"], picture["height"]) == ("640", "320")
    assert len(picture["src"]) < 400_000
    assert "seed 0, step 40" in page.text


def test_alarms_are_marked_on_the_axis_of_steps(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "run", alarms=[{"name": "mode_collapse", "step": 15, "message": "m", "try": "pac=2"}])
    page = page_of(gan_report, "run")
    (mark,) = page.all("polygon", "mark")
    (chart,) = page.all("svg", "chart")
    low, high, left, right = map(float, chart["data-x"].split())
    assert (low, high) == (0, 30)
    assert float(mark["points"].split()[2].split(",")[0]) == pytest.approx((left + right) / 2, abs=0.1)
    assert "mode_collapse: loss=jsd, dataset=ring8, step 15" in page.text
    assert "Try pac=2." in page.text


def test_values_that_depend_on_the_loss_share_no_axis(gan_report: Command, workplace: Path) -> None:
    for loss, name in (("jsd", "jsd"), ("wgan", "wasserstein")):
        write_run(
            workplace / loss,
            loss=loss,
            figures={f"divergence/{name}": (0.1, 0.2), "d_real/mean": (0.4, 0.5), "d/accuracy_real": (0.4, 0.5)},
        )
    page = page_of(gan_report, ".")
    labels = [svg["aria-label"] for svg in page.all("svg", "chart")]
    assert labels.count("d_real/mean over the steps: loss=jsd") == 1
    assert labels.count("d_real/mean over the steps: loss=wgan") == 1
    assert labels.count("d/accuracy_real over the steps: loss=jsd, loss=wgan") == 1
    assert "probability" in page.text
    assert "critic value" in page.text
    assert page.text.count("ceiling: log 2") == 1


def test_run_of_an_earlier_version_says_its_ceiling_in_a_tag(gan_report: Command, workplace: Path) -> None:
    run = write_run(workplace / "a", figures={"divergence/total_variation": (0.1, 0.2), "divergence/ceiling": (1, 1)})
    (run / "tags.json").unlink()
    page = page_of(gan_report, ".", "--metric", "divergence/total_variation")
    assert page.text.count("ceiling: 1") == 1


@pytest.mark.parametrize("content", ["", "[]", '{"divergence/jsd": 3, "d_real": {"unit": [1], "ceiling": "high"}}'])
def test_damaged_descriptions_of_tags_cost_no_page(content: str, gan_report: Command, workplace: Path) -> None:
    run = write_run(workplace / "a", figures={"divergence/jsd": (0.1, 0.2), "d_real/mean": (0.4, 0.5)})
    (run / "tags.json").write_text(content)
    assert len(page_of(gan_report, ".").all("svg", "chart")) == 2


def test_running_and_died_runs_have_a_page(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", seed=0, status=None)
    write_run(workplace / "b", seed=1, status=None, figures={})
    write_run(workplace / "c", seed=2, status="diverged", figures={"divergence/jsd": (0.2,)})
    page = page_of(gan_report, ".")
    assert "2 died, 1 diverged" in page.text
    assert "seed 0, step 30, died" in page.text


def test_run_without_any_figure_has_a_page(gan_report: Command, workplace: Path) -> None:
    write_run(workplace / "a", status=None, figures={})
    assert page_of(gan_report, ".").all("svg", "chart") == []


def test_hostile_names_stay_text(gan_report: Command, workplace: Path) -> None:
    for seed in (0, 1):
        write_run(
            workplace / f"run{seed} <b>",
            seed=seed,
            config={HOSTILE: {"key": seed}, "dataset": {"_target_": HOSTILE}},
            figures={f"metrics/recall/{HOSTILE}": (0.1, 0.2), f"divergence/{HOSTILE}": (0.1, 0.2)},
            overrides=(f"{HOSTILE}.key={HOSTILE}",),
            alarms=[{"name": HOSTILE, "step": 10, "message": HOSTILE, "try": HOSTILE}],
        )
    page = page_of(gan_report, ".", "--each")
    assert len(page.all("script")) == 1
    assert HOSTILE in page.text
    for name, attributes in page.elements:
        assert name != "b"
        assert not any(attribute.startswith("on") for attribute in attributes)
        assert attributes.get("src", "data:").startswith("data:")
