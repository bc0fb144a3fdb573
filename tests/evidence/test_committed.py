"""The results that are committed: figures that can be read, and pages that show those figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gencodec.bench.report import from_text
from gencodec.evidence.anything import Specimen
from gencodec.evidence.audit import Audit, AuditPictures
from gencodec.evidence.audit_page import audit_page
from gencodec.evidence.statistics import Interval
from gencodec.evidence.training_page import membership_part

EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence"


def committed(name: str) -> tuple[str, str]:
    """The figures and the page of one command."""
    figures, page = EVIDENCE / f"{name}.json", EVIDENCE / f"{name}.html"
    if not figures.exists():
        pytest.skip(f"{figures.name} is not here")
    return figures.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


def test_the_audit_is_of_one_run() -> None:
    text, page = committed("audit")
    figures = from_text(Audit, text)
    assert figures.complete and figures.membership is not None and figures.control is not None
    assert figures.control.caught
    for words in (figures.verdict, figures.weights_id[:8], figures.membership.finding):
        assert words in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_a_page_says_what_was_left_out_and_why() -> None:
    """A part that was measured is shown, though another one could not be."""
    figures = from_text(Audit, committed("audit")[0])
    assert figures.membership is not None
    finding = figures.membership.finding
    words = ("membership: 9 and 1 pictures are too few", "nearest neighbours: too few patches")
    figures = replace(figures, copies=None, control=None, left_out=words)
    figures = replace(figures, anything=replace(figures.anything, rows=()))
    nothing = np.zeros((8, 8, 3), np.uint8)
    page = audit_page(figures, AuditPictures([], None, [], {}, nothing))
    assert all(f"Left out: {line}." in page for line in words)
    assert finding in page
    assert "pictures were not given" not in page


def test_pictures_of_one_name_keep_their_figures() -> None:
    figures = from_text(Audit, committed("audit")[0])
    row = replace(figures.anything.rows[0], name="a.png")
    rows = (replace(row, bpp=0.125), replace(row, refused="too odd"), replace(row, bpp=0.875))
    figures = replace(figures, copies=None, anything=replace(figures.anything, rows=rows))
    pixels = np.zeros((8, 8, 3), np.uint8)
    shown = [(Specimen("a.png", "given", pixels), pixels)] * 2
    page = audit_page(figures, AuditPictures([], None, shown, {}, pixels))
    assert page.count("</b> 0.125 bpp") == page.count("</b> 0.875 bpp") == 1


def test_a_page_shows_memory_where_it_was_found() -> None:
    """By what decides, which is not whether an interval of few pictures lies above a half."""
    figures = from_text(Audit, committed("audit")[0])
    assert figures.membership is not None and figures.control is not None
    innocent = replace(
        figures.membership, passed=True, auc_calibrated=Interval(0.8, 0.6, 0.95), p_value=0.1
    )
    for found, reds in ((innocent, 1), (replace(innocent, passed=False), 2)):
        shown = "".join(membership_part(found, figures.control))
        assert shown.count('fill="var(--bad)"') == reds
        assert 'role="img" aria-label="these weights, ' in shown  # for those who do not see it
        assert "0.80, 0.60 to 0.95; their plain loss" in shown


def test_the_explanation_is_of_one_run() -> None:
    text, page = committed("explain")
    (line,) = text.splitlines()
    record = json.loads(line)
    assert record["verdict"] in page and str(record["file_bytes"]) in page
    assert record["weights_id"][:8] in page
