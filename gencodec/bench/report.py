"""Reports as JSON: frozen dataclasses to text and back, one line a row so that diffs read well."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from gencodec.image import atomic_write

T = TypeVar("T")


def to_text(report: Any) -> str:
    """A dataclass as JSON text; lists of objects one object a line, everything else short."""
    parts = []
    for key, value in dataclasses.asdict(report).items():
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            rows = ",\n".join(f"    {_line(row)}" for row in value)
            parts.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
        elif isinstance(value, dict):
            rows = ",\n".join(f"    {json.dumps(k)}: {_line(v)}" for k, v in value.items())
            parts.append(f"  {json.dumps(key)}: {{\n{rows}\n  }}")
        else:
            parts.append(f"  {json.dumps(key)}: {_line(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def from_text(kind: type[T], text: str) -> T:
    """Inverse of :func:`to_text`; ValueError when a field is missing, unknown or of wrong type."""
    return _build(kind, json.loads(text))


def write_report(report: Any, path: Path) -> None:
    """Write a report, replacing what stood there; OutputError when it cannot be written."""
    atomic_write(path, to_text(report).encode(), overwrite=True)


def read_report(kind: type[T], path: Path) -> T:
    """Read a report; ValueError with the file's name when it is not one of this kind."""
    try:
        return from_text(kind, path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _build(kind: Any, raw: Any) -> Any:
    """A value of the annotated type from what JSON made of it."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        names = [field.name for field in dataclasses.fields(kind)]
        if not isinstance(raw, dict) or set(raw) != set(names):
            raise ValueError(f"not a {kind.__name__}: expected the fields {', '.join(names)}")
        return kind(**{name: _build(hints[name], raw[name]) for name in names})
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple and isinstance(raw, list):
        return tuple(_build(args[0], item) for item in raw)
    if origin is dict and isinstance(raw, dict):
        return {key: _build(args[1], value) for key, value in raw.items()}
    if origin is types.UnionType:
        return raw if raw is None else _build(args[0], raw)
    if kind is float and isinstance(raw, int) and not isinstance(raw, bool):
        return float(raw)
    if kind in (bool, float, int, str) and type(raw) is kind:
        return raw
    raise ValueError(f"{raw!r} is not what is expected here")
