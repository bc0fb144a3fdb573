"""The report's page: whole in one file, and alive in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import asdict, replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gencodec.bench.anchors import Anchor
from gencodec.bench.cold import Cold, Memory
from gencodec.bench.command import Plan, Report
from gencodec.bench.comparison import deltas
from gencodec.bench.contestants import OWN_NAME, About, Recipe
from gencodec.bench.environment import Environment
from gencodec.bench.page import page_data, page_text, write_page
from gencodec.bench.page.views import Shot, View, Views, busiest, make_views
from gencodec.bench.pictures import Dataset, find_pictures
from gencodec.bench.rate_distortion import Bug, Row, means
from gencodec.bench.speed import CodecSpeed, Speed, StageTime, Timing

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
LABEL = "Rival </script><b>&amp;"
LONG = "two" * 60


def rows(codec: str, factor: float) -> list[Row]:
    return [
        Row(codec, q, image, 1000, factor * 0.1 * 2**q, 25.0 + 3 * q, 26.0 + 3 * q, 0.9 + q / 100)
        for q in (0.0, 1.0, 2.0, 3.0)
        for image in ("one", LONG)
    ]


@pytest.fixture(scope="module")
def report() -> Report:
    everything = rows(OWN_NAME, 1.0) + rows("rival", 2.0)
    cold, memory = Cold(0.1, 0.2, 0.3), Memory(100, 200, 300)
    speed = Speed(
        what="what",
        quality=60.0,
        repetitions=5,
        threads=2,
        other_threads=1,
        codecs=(
            CodecSpeed(OWN_NAME, "gencodec base", "", 2, 0.5, 0.5, 0.4, cold, memory, 2),
            CodecSpeed("rival", LABEL, "odd", 0, 0.5, 0.01, 0.02, cold, memory, None),
        ),
        stages=(StageTime("encode", "g_a", 0.3, 1.0), StageTime("decode", "ans", 0.01, 1.0)),
        timings=(Timing(OWN_NAME, "one", 9, 9, 60.0, 9, 0.1, 0.1, 0.1, 0.1),),
        throughput=(),
    )
    anchor = published()
    return Report(
        what="what",
        weights="base",
        weights_id="1234567890abcdef",
        dataset=Dataset("photos", 2, 0.1, "0" * 64),
        environment=Environment("A CPU", 2, "cpu", 2, "Linux x86_64", {"torch": "2.13.0"}),
        codecs=(
            About(OWN_NAME, "gencodec base", "compress", "1", 1),
            About("rival", LABEL, "encode", "2", 0),
        ),
        bugs=(Bug("it <broke>", "rival", 1.0, "three"),),
        deltas=deltas(everything, [OWN_NAME, "rival"], [anchor]),
        means=means(everything),
        images=tuple(everything),
        speed=speed,
    )


def published() -> Anchor:
    return Anchor("vtm", "VTM", "published: there", (0.05, 0.4, 1.0), (24.0, 31.0, 37.0))


def page(report: Report) -> str:
    shots = tuple(
        Shot(name, 1.0, size, 0.5, 30.0, None, PIXEL)
        for name, size in ((OWN_NAME, 1000), ("rival", 1010))
    )
    view = View("one", 100, 80, 0, 0, 64, 48, PIXEL, (shots, shots))
    views = Views("lossless WebP", None, (), (view, replace(view, image=LONG, crop_width=80)))
    return page_text(report, page_data(report, [published()]) | {"views": asdict(views)})


class Tags(HTMLParser):
    """Counts elements, and collects what they would load."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[str, int] = {}
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        self.loads += [value or "" for key, value in attrs if key in ("src", "href")]


def test_the_page_is_whole_in_itself(report: Report) -> None:
    text = page(report)
    tags = Tags()
    tags.feed(text)
    assert tags.loads == [] and tags.count["script"] == 2
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    content = json.loads(data)
    assert content["codecs"][1]["label"] == LABEL and content["bugs"][0]["reason"] == "it <broke>"
    assert [codec["published"] for codec in content["codecs"]] == [False, False, True]
    assert content["codecs"][0]["curves"]["ms_ssim"][0][1] == pytest.approx(10.0)  # dB of 0.9
    assert "ssimulacra2" not in {metric["name"] for metric in content["metrics"]}
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_a_folder_that_is_called_like_a_mark(report: Report) -> None:
    named = replace(report, dataset=replace(report.dataset, folder="[[DATA]]<i>&"))
    text = page_text(named, {"name": "</script><img src=x>[[TITLE]]"})
    tags = Tags()
    tags.feed(text)
    assert tags.loads == [] and tags.count["script"] == 2
    assert text.count("<h1>gencodec on [[DATA]]&lt;i>&amp;</h1>") == 1


SCRIPT = """
const wait = () => new Promise((done) => setTimeout(done, 50));
const byId = (id) => document.getElementById(id);
const press = (holder, label) => {
  [...byId(holder).querySelectorAll("button")].find((b) => b.textContent === label).click();
};
const box = byId("stage").getBoundingClientRect();
const mouse = (kind, share) => new PointerEvent(kind, {
  clientX: box.left + share * box.width, clientY: box.top + 20, pointerId: 1, bubbles: true });
byId("stage").setPointerCapture = () => {};
const seen = { lines: document.querySelectorAll("#chart polyline").length,
  dashed: document.querySelectorAll("#chart polyline[stroke-dasharray]").length };
const first = document.querySelector("#chart polyline").getAttribute("points");
press("metric", "MS-SSIM");
seen.redrawn = document.querySelector("#chart polyline").getAttribute("points") !== first;
seen.psnrOnly = document.querySelectorAll("#chart polyline").length;
press("metric", "PSNR");
byId("legend").querySelectorAll("button")[1].click();
seen.hidden = document.querySelectorAll("#chart polyline").length;
byId("legend").querySelectorAll("button")[1].click();
byId("image").value = "1";
byId("image").dispatchEvent(new Event("change"));
seen.ofImage = document.querySelectorAll("#chart polyline").length;
byId("stage").dispatchEvent(mouse("pointerdown", 0.25));
byId("stage").dispatchEvent(mouse("pointerup", 0.25));
seen.wipe = byId("wipe").value;
byId("wipe").value = 800;
byId("wipe").dispatchEvent(new Event("input"));
seen.clip = byId("right").style.clipPath;
const before = byId("left").firstElementChild.style.transform;
press("zoom", "4\\u00d7");
seen.zoomed = byId("left").firstElementChild.style.transform !== before;
byId("stage").dispatchEvent(mouse("pointerdown", 0.2));
const still = byId("left").firstElementChild.style.transform;
byId("stage").dispatchEvent(mouse("pointermove", 0.1));
const dragged = byId("left").firstElementChild.style.transform;
seen.panned = dragged !== still;
byId("stage").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
seen.byKey = byId("left").firstElementChild.style.transform !== dragged;
byId("hold").dispatchEvent(new PointerEvent("pointerdown"));
seen.original = !byId("over").hidden;
seen.caption = byId("right-caption").textContent;
seen.deltas = byId("deltas").rows.length;
seen.own = byId("deltas").querySelector("tr.own").cells[1].firstChild.textContent;
byId("anchor").value = "vtm";
byId("anchor").dispatchEvent(new Event("change"));
seen.others = byId("deltas").rows.length;
seen.titles = [...byId("deltas").querySelectorAll("td[title]")].map((cell) => cell.title);
seen.speed = document.querySelectorAll("#speed-encode circle").length;
seen.bugs = byId("bugs-table").textContent;
seen.names = [...byId("legend").querySelectorAll("button")].map((b) => b.textContent);
seen.stages = byId("stages").textContent;
seen.crops = byId("pictures-note").textContent;
const within = () => [...document.querySelectorAll("#speed .chart text")].every((name) => {
  const end = name.getBBox(), all = name.ownerSVGElement.viewBox.baseVal;
  return end.x >= 0 && end.x + end.width <= all.width;
});
seen.within = [within()];
document.body.style.width = "320px";
dispatchEvent(new Event("resize"));
seen.within.push(within(), document.body.scrollWidth <= 320);
seen.letters = document.querySelector("#speed-encode svg").getScreenCTM().a;
await wait();
"""


def seen_in_browser(text: str, script: str, folder: Path) -> Any:
    """What a script leaves in `seen`, run in a page once the page's own has run."""
    note = 'const note = document.createElement("pre"); note.id = "seen";'
    note += "note.textContent = JSON.stringify(seen); document.body.append(note);"
    script = f'<script type="module">{script}{note}</script></body>'
    (folder / "page.html").write_text(text.replace("</body>", script), encoding="utf-8")
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    flags += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    flags += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=3000", "--dump-dom"]
    done = subprocess.run(
        [str(BROWSER), *flags, (folder / "page.html").as_uri()],
        capture_output=True,
        timeout=90,
        check=False,
    )
    found = re.search(r'<pre id="seen">(.*?)</pre>', done.stdout.decode(), re.S)
    assert found, done.stderr.decode()[-2000:]
    return json.loads(unescape(found[1]))


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
@pytest.mark.slow
def test_curves_that_lie_past_the_rates_shown_are_shown(report: Report, tmp_path: Path) -> None:
    dear = [
        replace(row, file_bytes=60_000, bpp=50.0 + row.bpp, psnr=row.psnr) for row in report.images
    ]
    even = [replace(d, bd_rate=0.3) for d in report.deltas if d.anchor == "rival"]
    costly = replace(report, images=tuple(dear), means=means(dear), deltas=tuple(even))
    script = """
    const seen = { lines: document.querySelectorAll("#chart polyline").length,
      lead: document.getElementById("lead").textContent };
    """
    seen = seen_in_browser(page(costly), script, tmp_path)
    assert seen["lines"] == 3
    assert seen["lead"].endswith(f"At equal PSNR it needs as many bits as {LABEL}.")


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
@pytest.mark.slow
def test_who_has_no_figure_is_named(report: Report, tmp_path: Path) -> None:
    few = [row for row in rows("few", 3.0) if row.quality < 2.0]
    everything = [*report.images, *few]
    short = replace(
        report,
        codecs=(*report.codecs, About("few", "Few", "encode", "2", 0)),
        images=tuple(everything),
        means=means(everything),
        deltas=deltas(everything, [OWN_NAME, "rival", "few"], []),
    )
    script = """const seen = { rows: document.getElementById("deltas").rows.length,
      note: document.getElementById("deltas-note").textContent };"""
    seen = seen_in_browser(page(short), script, tmp_path)
    assert seen["rows"] == 2
    assert " None for Few: a figure takes three qualities at least" in seen["note"]


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium")
@pytest.mark.slow
def test_the_page_in_a_browser(report: Report, tmp_path: Path) -> None:
    apart = tuple(
        replace(d, bd_score=None) if (d.codec, d.anchor) == ("rival", "vtm") else d
        for d in report.deltas
    )
    seen = seen_in_browser(page(replace(report, deltas=apart)), SCRIPT, tmp_path)
    assert (seen["lines"], seen["dashed"]) == (3, 1)
    assert seen["redrawn"] and seen["psnrOnly"] == 2 and seen["hidden"] == 2
    assert seen["ofImage"] == 2  # what was published has no curve for one picture
    assert seen["wipe"] == "250" and seen["clip"] == "inset(0px 0px 0px 80%)"
    assert seen["zoomed"] and seen["panned"] and seen["byKey"] and seen["original"]
    assert seen["caption"].startswith("1\u202f010 bytes (+1.0\u202f%), 0.500 bpp")
    assert seen["deltas"] == 2 and seen["own"] == "\u221250.0\u202f%"  # against the rival
    assert seen["others"] == 3  # against what was published, the rival as well
    assert "no rates in common, 2 pictures" in seen["titles"]
    assert not any("0.00" in title for title in seen["titles"])
    assert seen["speed"] == 4  # a dot and its place to point at, for each codec
    assert "it <broke>" in seen["bugs"]
    assert seen["names"][1] == LABEL
    assert "analysis 0.30" in seen["stages"] and "entropy coding 0.010" in seen["stages"]
    assert seen["crops"].startswith("Crops of at most 80 \u00d7 48 pixels")
    assert seen["within"] == [True] * 3  # no name leaves its drawing, nothing the page
    assert seen["letters"] > 0.8  # of their size on a wide screen


def test_the_busiest_crop() -> None:
    pixels = np.full((100, 200, 3), 90, np.uint8)
    pixels[32:64, 128:160] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    left, top, width, height = busiest(pixels, 48)
    assert (width, height) == (48, 48)
    assert left <= 128 and left + 48 >= 160 and top <= 32 and top + 48 >= 64
    assert busiest(pixels[:, :, 0], 500) == (0, 0, 200, 100)


@pytest.mark.slow
def test_views_hold_what_the_codec_gave(folder: Path) -> None:
    paths = find_pictures(folder)
    views = make_views([Recipe(OWN_NAME)], [20.0, 80.0], paths, 1)
    assert views.stored == "lossless WebP" and views.fidelity is None and views.missing == ()
    assert [view.image for view in views.items] == ["picture0", "picture1"]
    view = views.items[0]
    assert (view.crop_width, view.crop_height) == (57, 40)
    low, high = (shots[0] for shots in view.rates)
    assert low.file_bytes < high.file_bytes and low.psnr < high.psnr
    assert high.source.startswith("data:image/webp;base64,")


@pytest.mark.slow
def test_views_of_a_grey_picture(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:40, :57]
    grey = (128 + 90 * np.sin(rows / 9.0) * np.cos(columns / 7.0)).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    views = make_views([Recipe(OWN_NAME), Recipe("avif-ssim")], [50.0], find_pictures(tmp_path), 1)
    assert views.missing == ()
    (view,) = views.items
    assert [shot.codec for shot in view.rates[0]] == [OWN_NAME, "avif-ssim"]
    assert all(shot.psnr > 25 for shot in view.rates[0])


def test_a_page_is_written(report: Report, folder: Path, tmp_path: Path) -> None:
    plan = Plan(folder, html=tmp_path / "report.html", views=(30.0,))
    write_page(report, [], plan, [], 1)  # none of the pictures were measured
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and "gencodec on photos" in text
