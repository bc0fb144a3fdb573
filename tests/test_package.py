"""The package as others see it: public names, version, licence, and what the wheel carries."""

from __future__ import annotations

import ast
import hashlib
import importlib
import json
import re
from pathlib import Path

import pytest

import gencodec
from gencodec.errors import WeightsError
from gencodec.model import locate

ROOT = Path(__file__).resolve().parent.parent
INITS = sorted(path.relative_to(ROOT) for path in (ROOT / "gencodec").rglob("__init__.py"))


def public_names(source: str) -> list[str] | None:
    """The `__all__` of a module, as written; None where there is none."""
    for node in ast.parse(source).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign)
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


@pytest.mark.parametrize("path", INITS, ids=lambda path: ".".join(path.parts[:-1]))
def test_public_names_are_sorted_and_there(path: Path) -> None:
    names = public_names((ROOT / path).read_text(encoding="utf-8"))
    if names is None:
        pytest.skip("no __all__")
    assert names == sorted(set(names))
    module = importlib.import_module(".".join(path.parts[:-1]))
    assert [name for name in names if not hasattr(module, name)] == []


def test_gencodec_says_what_is_public() -> None:
    assert {"compress", "decompress", "info"} <= set(gencodec.__all__)
    assert set(gencodec.__all__) <= set(dir(gencodec))


def test_the_changelog_knows_the_version() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", gencodec.__version__)
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{gencodec.__version__}]" in changelog


def test_the_wheel_is_told_where_the_weights_go() -> None:
    tomllib = pytest.importorskip("tomllib", reason="standard from Python 3.11 on")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    (source,) = wheel["force-include"]
    assert ROOT / source == locate.CHECKOUT
    assert ROOT / wheel["force-include"][source] == locate.INSTALLED
    assert wheel["packages"] == ["gencodec"]
    scripts = project["project"]["scripts"]
    module, _, function = scripts["gencodec"].partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_every_weights_file_of_the_manifest_is_there() -> None:
    folder = locate.weights_directory()
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    encoders = [encoder for row in manifest["weights"] for encoder in row.get("encoders", ())]
    listed = {row["file"]: row["bytes"] for row in (*manifest["weights"], *encoders)}
    assert {path.name: path.stat().st_size for path in folder.glob("*.safetensors")} == listed
    for encoder in encoders:
        data = (folder / encoder["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == encoder["file_sha256"]
    tunes = {row["name"]: row.get("tune", "mse") for row in manifest["weights"]}
    assert tunes[manifest["default"]] == "mse"
    assert all(tunes[name] == tune for tune, name in manifest.get("tuned", {}).items())


def test_the_format_is_specified_inside_the_package() -> None:
    assert list((ROOT / "gencodec").rglob("FORMAT.md"))


def test_installed_weights_come_before_a_folder_beside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locate, "INSTALLED", tmp_path / "gencodec" / "_weights")
    monkeypatch.setattr(locate, "CHECKOUT", tmp_path / "weights")
    with pytest.raises(WeightsError, match="weights are missing"):
        locate.weights_directory()
    locate.CHECKOUT.mkdir()
    assert locate.weights_directory() == locate.CHECKOUT
    locate.INSTALLED.mkdir(parents=True)
    assert locate.weights_directory() == locate.INSTALLED
