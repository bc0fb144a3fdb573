"""Figures as JSON: frozen dataclasses to plain values, without numbers that JSON cannot hold."""

from __future__ import annotations

import dataclasses
import json
from typing import Any


def plain(figures: Any) -> dict[str, Any]:
    """A dataclass as a dict of plain values."""
    return dataclasses.asdict(figures)


def pretty(figures: Any) -> str:
    """JSON text, indented, with each innermost object or list on one line so that diffs read."""
    return _text(plain(figures), 0) + "\n"


def _text(value: Any, depth: int) -> str:
    items = value.items() if isinstance(value, dict) else None
    parts = value.values() if isinstance(value, dict) else value
    nested = isinstance(value, (dict, list, tuple)) and any(
        isinstance(part, (dict, list, tuple)) for part in parts
    )
    if not nested:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inner, outer = "  " * (depth + 1), "  " * depth
    if items is not None:
        rows = [f"{inner}{json.dumps(key)}: {_text(part, depth + 1)}" for key, part in items]
        return "{\n" + ",\n".join(rows) + f"\n{outer}}}"
    rows = [f"{inner}{_text(part, depth + 1)}" for part in value]
    return "[\n" + ",\n".join(rows) + f"\n{outer}]"
