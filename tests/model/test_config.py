"""Configurations: their canonical text, and what is no configuration."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import torch

from gencodec.model.config import CONFIGS, FINE_STEPS, STEPS, ModelConfig
from gencodec.model.vae import table_rows


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_text_and_back(name: str) -> None:
    config = CONFIGS[name]
    text = config.to_json()
    assert config.name == name
    assert ModelConfig.from_json(text) == config
    assert " " not in text and list(json.loads(text)) == sorted(json.loads(text))


def test_the_text_never_changes() -> None:
    """It is hashed into every weights id: another text would orphan every stream."""
    text = (
        '{"depth16":1,"depth8":1,"hyper":16,"hyper_depth":1,"knots":8,"latent":64,'
        '"name":"tiny","prior":32,"prior_depth":1,"trunk8":32}'
    )
    assert CONFIGS["tiny"].to_json() == text


def test_the_text_of_older_weights_never_changes() -> None:
    """A z without contexts is not mentioned, as it could not be when they were made."""
    text = (
        '{"depth16":1,"depth8":1,"hyper":16,"knots":8,"latent":64,'
        '"name":"tiny","prior":32,"prior_depth":1,"trunk8":32}'
    )
    older = replace(CONFIGS["tiny"], hyper_depth=0)
    assert older.to_json() == text
    assert ModelConfig.from_json(text) == older


@pytest.mark.parametrize(
    "change",
    [
        {"latent": 0},
        {"latent": -4},
        {"latent": 4100},
        {"latent": 66},
        {"latent": 64.0},
        {"latent": "64"},
        {"latent": None},
        {"depth8": 0},
        {"knots": 0},
        {"knots": 1},
        {"knots": 9},
        {"prior": 33},
        {"hyper": 18},
        {"hyper_depth": 0},
        {"hyper_depth": -1},
        {"hyper_depth": None},
        {"extra": 1},
        {"name": 5},
    ],
    ids=str,
)
def test_what_is_refused(change: dict[str, Any]) -> None:
    raw = {**json.loads(CONFIGS["tiny"].to_json()), **change}
    with pytest.raises(ValueError, match=r"."):
        ModelConfig.from_json(json.dumps(raw))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", "null", "[" * 20_000])
def test_text_that_is_no_config(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ModelConfig.from_json(text)


def test_every_row_serves_four_steps() -> None:
    rows = table_rows(torch.arange(FINE_STEPS)).tolist()
    assert rows == sorted(rows)
    assert all(rows.count(row) == FINE_STEPS // STEPS for row in range(STEPS))
