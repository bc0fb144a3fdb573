"""The results that are committed: figures that can be read, and pages that show those figures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gencodec.bench.report import from_text
from gencodec.evidence.audit import Audit

EVIDENCE = Path(__file__).resolve().parents[2] / "docs" / "evidence"


def test_the_audit_is_of_one_run() -> None:
    if not EVIDENCE.exists():
        pytest.skip("docs/ is not here")
    figures = from_text(Audit, (EVIDENCE / "audit.json").read_text(encoding="utf-8"))
    page = (EVIDENCE / "audit.html").read_text(encoding="utf-8")
    assert figures.complete and figures.membership is not None and figures.control is not None
    assert figures.control.caught
    for words in (figures.verdict, figures.weights_id[:8], figures.membership.finding):
        assert words in page
    assert "://" not in page.replace("http://www.w3.org", "")


def test_the_explanation_is_of_one_run() -> None:
    if not EVIDENCE.exists():
        pytest.skip("docs/ is not here")
    (line,) = (EVIDENCE / "explain.json").read_text(encoding="utf-8").splitlines()
    record = json.loads(line)
    page = (EVIDENCE / "explain.html").read_text(encoding="utf-8")
    assert record["verdict"] in page and str(record["file_bytes"]) in page
    assert record["weights_id"][:8] in page
