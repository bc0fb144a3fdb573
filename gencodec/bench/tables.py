"""Reports as Markdown: what stands between the markers in the README and the model cards."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gencodec.bench.rate_distortion import Mean, RateDistortion
from gencodec.bench.speed import Speed

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


def kodak_section(report: RateDistortion) -> str:
    """The curve at a handful of qualities, the BD-rates, and how they were measured."""
    parts = [_curve_table(report.means)]
    if report.bd_rate:
        parts.append(_bd_table(report))
    parts.append(
        f"Means over the {report.dataset.images} images of `{report.dataset.folder}` with weights "
        f"`{report.weights}` ({report.weights_id[:8]}). bpp counts whole files, header included; "
        "PSNR is over RGB of the decoded 8-bit pixels; a negative BD-rate means fewer bits. All "
        "rows: [benchmarks/kodak.json](benchmarks/kodak.json), the rivals' settings: "
        "[benchmarks/anchors.json](benchmarks/anchors.json)."
    )
    return "\n\n".join(parts)


def speed_section(report: Speed) -> str:
    """Seconds a megapixel of each codec, shares of gencodec's stages, and the machine."""
    lines = [
        "| codec | encode, s/MP | decode, s/MP | memory, MB |",
        "|---|---:|---:|---:|",
    ]
    for row in report.codecs:
        memory = max(row.memory.encode, row.memory.decode)
        lines.append(
            f"| {row.label} | {row.encode_s_per_mp:.3f} | {row.decode_s_per_mp:.3f} "
            f"| {memory or '?'} |"
        )
    parts = ["\n".join(lines)]
    parts += [f"{row.label}: {row.note}." for row in report.codecs if row.note]
    for direction in ("encode", "decode"):
        parts.append(f"{direction.capitalize()} time goes to {_shares(report, direction)}.")
    machine, data = report.environment, report.dataset
    where = machine.cpu if machine.device == "cpu" else f"{machine.device} beside {machine.cpu}"
    parts.append(
        f"Measured on {where}, {machine.threads} threads, torch {machine.versions['torch']}: "
        f"{data.images} images of `{data.folder}` ({data.megapixels:g} MP), medians of "
        f"{report.repetitions} runs with the codecs taking turns; from pixels in memory to a "
        "stream in memory and back. Memory is the most that a process of its own held, "
        "interpreter and libraries included. All rows: "
        "[benchmarks/speed.json](benchmarks/speed.json)."
    )
    return "\n\n".join(parts)


def handful(rows: Sequence[Mean], count: int = ROWS) -> list[Mean]:
    """At most `count` rows, evenly spread, first and last among them."""
    if len(rows) <= count:
        return list(rows)
    return [rows[round(i * (len(rows) - 1) / (count - 1))] for i in range(count)]


def _curve_table(rows: Sequence[Mean]) -> str:
    similar = all(row.ms_ssim is not None for row in rows)
    lines = [
        "| quality | bpp | PSNR, dB | luma PSNR, dB |" + (" MS-SSIM |" if similar else ""),
        "|---:|---:|---:|---:|" + ("---:|" if similar else ""),
    ]
    for row in handful(rows):
        line = f"| {row.quality:g} | {row.bpp:.3f} | {row.psnr:.2f} | {row.psnr_y:.2f} |"
        lines.append(line + (f" {row.ms_ssim:.4f} |" if similar else ""))
    return "\n".join(lines)


def _bd_table(report: RateDistortion) -> str:
    names = " | ".join(rate.label for rate in report.bd_rate)
    values = " | ".join(_signed(rate.percent) for rate in report.bd_rate)
    return (
        f"| at equal PSNR, against | {names} |\n|---|{'---:|' * len(report.bd_rate)}\n"
        f"| bits of gencodec (BD-rate) | {values} |"
    )


def _signed(percent: float) -> str:
    """+12.3 %, with a real minus sign for fewer bits."""
    return f"{percent:+.1f} %".replace("-", "\N{MINUS SIGN}")


def _shares(report: Speed, direction: str) -> str:
    parts = [
        (stage.share, STAGE_NAMES.get(stage.stage, stage.stage))
        for stage in report.stages
        if stage.direction == direction and stage.share is not None
    ]
    parts.sort(key=lambda part: -part[0])
    return ", ".join(f"the {name} ({_percent(share)})" for share, name in parts)


def _percent(share: float) -> str:
    return "under 1 %" if share < 0.01 else f"{share:.0%}".replace("%", " %")
