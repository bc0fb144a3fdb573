"""Reports as JSON: frozen dataclasses to text and back, one line a row so that diffs read well."""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from gencodec.image import atomic_write

T = TypeVar("T")


def to_text(report: Any) -> str:
    """A dataclass as JSON text: what holds rows on lines of its own, everything else short.

    Fields that are None, and would be if nothing were said, are left out.
    """
    return _block(_plain(report), "") + "\n"


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


def _plain(value: Any) -> Any:
    """Dataclasses as dicts without what needs no saying."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {
            field.name: _plain(content)
            for field, content in fields
            if content is not None or field.default is not None
        }
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _block(value: dict[str, Any], indent: str) -> str:
    """An object with each field on its own line, and lists of objects one object a line."""
    inner = indent + "  "
    parts = []
    for key, item in value.items():
        if isinstance(item, list) and item and isinstance(item[0], dict):
            rows = ",\n".join(f"{inner}  {_line(row)}" for row in item)
            text = f"[\n{rows}\n{inner}]"
        elif isinstance(item, dict) and item:
            text = _block(item, inner)
        else:
            text = _line(item)
        parts.append(f"{inner}{json.dumps(key)}: {text}")
    return "{\n" + ",\n".join(parts) + f"\n{indent}}}"


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Types of a dataclass's fields; a report holds thousands of rows of one kind."""
    return typing.get_type_hints(kind)


def _build(kind: Any, raw: Any) -> Any:
    """A value of the annotated type from what JSON made of it."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = _hints(kind)
        fields = dataclasses.fields(kind)
        needed = {field.name for field in fields if field.default is dataclasses.MISSING}
        if not isinstance(raw, dict) or not needed <= set(raw) <= {f.name for f in fields}:
            names = ", ".join(field.name for field in fields)
            raise ValueError(f"not a {kind.__name__}: expected the fields {names}")
        return kind(**{name: _build(hints[name], item) for name, item in raw.items()})
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
