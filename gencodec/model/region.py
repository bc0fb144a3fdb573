"""Parts of the training pass that a compiler may take one by one instead of the whole at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

REGIONS: list[Callable[..., Any]] = []
"""As they were written."""

_instead: dict[Callable[..., Any], Callable[..., Any]] = {}


def region(function: Function) -> Function:
    """A function of tensors that is called several times a step with the same shapes."""
    REGIONS.append(function)

    @wraps(function)
    def called(*args: Any) -> Any:
        return _instead.get(function, function)(*args)

    return called  # type: ignore[return-value]


@contextmanager
def regions_as(others: Mapping[Callable[..., Any], Callable[..., Any]]) -> Iterator[None]:
    """Within, others are called in the place of regions."""
    _instead.update(others)
    try:
        yield
    finally:
        _instead.clear()
