"""Reports as Markdown: what stands between the markers in the README and the model cards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gencodec.bench.anchors import Anchor
from gencodec.bench.command import Report
from gencodec.bench.contestants import OWN_NAME, family_of, search_label
from gencodec.bench.metrics import METRICS
from gencodec.bench.rate_distortion import Mean
from gencodec.bench.speed import CodecSpeed, Speed

TARGET = "vtm-18.0"
"""The published curve that the README names beside what was measured."""

ROWS = 6
"""Qualities shown of those measured."""

STAGE_NAMES = {
    "g_a": "analysis transform",
    "prior": "exact prior",
    "ans": "entropy coding",
    "g_s": "synthesis transform",
    "pack": "container",
    "unpack": "container",
}


def replace_section(text: str, name: str, body: str) -> str:
    """The text with what stands between the markers of `name` replaced; as it is without them.

    ValueError when a marker stands alone or the pair stands twice.
    """
    begin, end = f"<!-- figures:begin {name} -->", f"<!-- figures:end {name} -->"
    if text.count(begin) != text.count(end) or text.count(begin) > 1:
        raise ValueError(f"the markers of {name!r} must be one begin and one end")
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n\n{body}\n\n{end}", text)


def kodak_section(report: Report, published: Sequence[Anchor]) -> str:
    """The curve at a handful of qualities, the BD-rates, and how they were measured."""
    own = [mean for mean in report.means if mean.codec == OWN_NAME]
    parts = [_curve_table(own), _bd_table(report, published), _by_picture(report)]
    parts.append(
        f"Means over the {report.dataset.images} images of `{report.dataset.folder}` with weights "
        f"`{report.weights}` ({report.weights_id[:8]}){_others(report)}. bpp counts whole files, "
        "header included; "
        "distortion is that of decoded 8-bit pixels. The second table gives gencodec's bits "
        "against each codec's at equal score (BD-rate, over the range that both curves span; "
        "negative means fewer). All rows, versions and settings: "
        "[benchmarks/kodak.json](benchmarks/kodak.json); the published curve: "
        "[benchmarks/anchors.json](benchmarks/anchors.json)."
    )
    return "\n\n".join(part for part in parts if part)


def _others(report: Report) -> str:
    """Which other weights the rows for a tune were made with."""
    tunes = {}
    for about in report.codecs:
        # A label of its own begins with the name of its weights (bench/own_codec.py).
        name = about.label.partition(",")[0].removeprefix(f"{OWN_NAME} ")
        if family_of(about.name) == OWN_NAME and name != report.weights:
            tunes[name] = about.name.partition(":")[2].rpartition("-")[2]
    return "".join(f", those for {tune} with `{name}`" for name, tune in tunes.items())


def effort_section(report: Report, published: Sequence[Anchor]) -> str:
    """What each effort saves against none, and where that leaves it beside the published target."""
    efforts = [about.name for about in report.codecs if family_of(about.name) == OWN_NAME]
    rates = {(delta.codec, delta.anchor, delta.metric): delta.bd_rate for delta in report.deltas}
    (target,) = (anchor for anchor in published if anchor.name == TARGET)
    lines = [
        f"| `--effort` | {' | '.join(metric.label for metric in METRICS)} | {target.label}, PSNR |",
        f"|---|{'---:|' * (len(METRICS) + 1)}",
    ]
    for name in efforts:
        saved = (rates.get((name, OWN_NAME, metric.name)) for metric in METRICS)
        cells = ["" if rate is None else _signed(rate) for rate in saved]
        beside = rates.get((name, TARGET, "psnr"))
        cells.append("" if beside is None else _signed(beside))
        effort = search_label(name).removeprefix("effort ") or "none"
        lines.append(f"| {effort} | {' | '.join(cells)} |")
    lines += [
        "",
        f"Bits against no effort at equal score, and against {target.label} as published: BD-rates "
        f"over {len({row.quality for row in report.means})} qualities, {report.dataset.images} "
        f"images of `{report.dataset.folder}`, weights `{report.weights}` "
        f"({report.weights_id[:8]}). All rows: "
        "[benchmarks/kodak-effort.json](benchmarks/kodak-effort.json).",
    ]
    return "\n".join(lines)


def speed_section(report: Report) -> str:
    """Seconds a megapixel of each codec, shares of gencodec's stages, and the machine."""
    speed = report.speed
    if speed is None:
        raise ValueError("the report has no speed in it; measure with --speed")
    count = len({timing.image for timing in speed.timings})
    lines = [
        "| codec | bpp | encode, s/MP | decode, s/MP | first encode, s | memory, MB "
        f"| decode with {_threads(speed.other_threads)} |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in speed.codecs:
        memory = max(row.memory.encode, row.memory.decode)
        alike = "not checked" if row.alike is None else f"{row.alike} of {count} files alike"
        lines.append(
            f"| {_speed_label(row, speed)} | {row.bpp:.2f} | {row.encode_s_per_mp:.3f} "
            f"| {row.decode_s_per_mp:.3f} | {row.cold.load_s + row.cold.encode_s:.2f} "
            f"| {memory or '?'} | {alike} |"
        )
    parts = ["\n".join(lines)]
    parts += [f"{row.label}: {row.note}." for row in speed.codecs if row.note]
    for direction in ("encode", "decode"):
        parts.append(f"{direction.capitalize()} time goes to {_shares(speed, direction)}.")
    machine, data = report.environment, report.dataset
    cpu = machine.cpu if machine.vectors is None else f"{machine.cpu} with {machine.vectors}"
    where = cpu if machine.device == "cpu" else f"{machine.device} beside {cpu}"
    if speed.load is not None:  # what measured the curves just before counts in it
        where += f" (load {speed.load:.1f} on {machine.cores} cores in the minute before)"
    parts.append(
        f"Measured on {where}, {_threads(speed.threads)}, torch {machine.versions['torch']}: "
        f"{count} images of `{data.folder}`, medians of "
        f"{speed.repetitions} runs with the codecs taking turns; from pixels in memory to a "
        "stream in memory and back. First encode: in a fresh process, loading the codec included. "
        "Memory is the most that such a process held, interpreter and libraries included. Alike: "
        "no sample more than one level off. All rows: "
        "[benchmarks/speed.json](benchmarks/speed.json)."
    )
    return "\n\n".join(parts)


def fuzz_section(rows: Sequence[Mapping[str, Any]]) -> str:
    """What hostile streams did to each target, of the rows that `python -m tests.fuzz -o` adds."""
    lines = [
        "| target | cases | harm | slowest case, s | memory gained, MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for target in dict.fromkeys(str(row["target"]) for row in rows):
        own = [row for row in rows if row["target"] == target]
        cases, harm = sum(row["cases"] for row in own), sum(row["harm"] for row in own)
        slowest = max(row["slowest_seconds"] for row in own)
        growth = max(row["growth_megabytes"] for row in own)
        lines.append(f"| `{target}` | {cases:,} | {harm} | {slowest:.2f} | {growth} |")
    lines += ["", "All rows: [benchmarks/fuzz.json](benchmarks/fuzz.json)."]
    return "\n".join(lines)


def handful(rows: Sequence[Mean]) -> list[Mean]:
    """At most ROWS of them, evenly spread, first and last among them."""
    if len(rows) <= ROWS:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (ROWS - 1))] for i in range(ROWS)]


def _curve_table(rows: Sequence[Mean]) -> str:
    shown = [m for m in METRICS if all(getattr(row, m.name) is not None for row in rows)]
    digits = {"ms_ssim": 4, "ssimulacra2": 1}
    heads = [f"{m.label}, dB" if m.name.startswith("psnr") else m.label for m in shown]
    lines = [f"| quality | bpp | {' | '.join(heads)} |", "|---:|---:|" + "---:|" * len(shown)]
    for row in handful(rows):
        cells = (f"{getattr(row, m.name):.{digits.get(m.name, 2)}f}" for m in shown)
        lines.append(f"| {row.quality:g} | {row.bpp:.3f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _bd_table(report: Report, published: Sequence[Anchor]) -> str:
    """gencodec against the published target and all rivals, a row for each metric and search."""
    own = [about.name for about in report.codecs if family_of(about.name) == OWN_NAME]
    labels = {anchor.name: f"{anchor.label}, published" for anchor in published}
    labels = {name: label for name, label in labels.items() if name == TARGET}
    labels |= {about.name: about.label for about in report.codecs if about.name not in own}
    rates = {
        (delta.codec, delta.anchor, delta.metric): delta.bd_rate
        for delta in report.deltas
        if delta.codec in own and delta.anchor in labels
    }
    columns = [name for name in labels if any(anchor == name for _, anchor, _ in rates)]
    if not columns:
        return ""
    lines = [
        f"| at equal | {' | '.join(labels[name] for name in columns)} |",
        f"|---|{'---:|' * len(columns)}",
    ]
    for codec in own:
        setting = search_label(codec)
        for metric in METRICS:
            if setting and metric.name == "psnr_y":
                continue  # says little more than PSNR, and rows are many
            cells = [rates.get((codec, name, metric.name)) for name in columns]
            if any(cell is not None for cell in cells):
                shown = " | ".join("" if cell is None else _signed(cell) for cell in cells)
                label = f"{metric.label}, {setting}" if setting else metric.label
                lines.append(f"| {label} | {shown} |")
    return "\n".join(lines)


def _by_picture(report: Report) -> str:
    """How far single pictures lie from the table's first row; nothing if nobody looked."""
    metric = METRICS[0]
    spreads = {
        delta.anchor: delta.spread
        for delta in report.deltas
        if (delta.codec, delta.metric) == (OWN_NAME, metric.name) and delta.spread
    }
    told = [
        f"{about.label} on {spread.fewer} of {spread.pictures} ({_signed(spread.lowest, 0)} to "
        f"{_signed(spread.highest, 0)})"
        for about in report.codecs
        if family_of(about.name) != OWN_NAME and (spread := spreads.get(about.name))
    ]
    if not told:
        return ""
    return f"Picture by picture, at equal {metric.label}: fewer bits than {', '.join(told)}."


def _speed_label(row: CodecSpeed, speed: Speed) -> str:
    return f"{row.label}, quality {speed.quality:g}" if row.codec == OWN_NAME else row.label


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _signed(percent: float, digits: int = 1) -> str:
    """+12.3 %, with a real minus sign for fewer bits."""
    return f"{percent:+.{digits}f} %".replace("-", "\N{MINUS SIGN}")


def _shares(speed: Speed, direction: str) -> str:
    parts = [
        (stage.share, STAGE_NAMES.get(stage.stage, stage.stage))
        for stage in speed.stages
        if stage.direction == direction and stage.share is not None
    ]
    parts.sort(key=lambda part: -part[0])
    return ", ".join(f"the {name} ({_percent(share)})" for share, name in parts)


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{share:.0%}".replace("%", " %")
