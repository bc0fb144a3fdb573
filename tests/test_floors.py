"""The floors of the package: imports go down only, and each floor uses only its own libraries.

Read from the syntax trees, so imports inside functions and under TYPE_CHECKING count as well.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "gencodec"

# A module may import floors of a lower rank, and its own. The commands at the top lead to each
# other in one direction as well: a training run measures with bench, cli opens every door.
RANK = {
    "amounts": 0,
    "errors": 0,
    "names": 0,
    "processes": 0,
    "bitstream": 1,
    "image": 2,
    "entropy": 2,
    "model": 3,
    "codec": 4,
    "pillow": 5,
    "bench": 5,
    "train": 6,
    "evidence": 7,
    "cli": 8,
    "__init__": 9,  # gencodec itself, for what is public
    "__main__": 9,
}

TENSORS = {"numpy", "torch"}
LIBRARIES = {
    "amounts": set[str](),
    "errors": set[str](),
    "names": set[str](),
    "processes": set[str](),
    "bitstream": set[str](),
    "image": {"numpy", "PIL", "pillow_heif"},
    "entropy": {"numpy", "constriction"},
    "model": TENSORS | {"safetensors"},
    "codec": TENSORS | {"PIL"},
    "bench": TENSORS
    | {"PIL", "tqdm", "compressai", "torchvision", "imagecodecs"}
    | {"matplotlib", "pytorch_msssim", "ssimulacra2"}
    | {"tomli", "tomllib"},  # the second is the standard library's from Python 3.11 on
    "train": TENSORS | {"PIL", "safetensors"},
    "evidence": TENSORS | {"PIL", "skimage"},
    "pillow": {"PIL"},
    "cli": {"numpy", "PIL", "tqdm"},
    "__init__": {"numpy", "PIL"},
    "__main__": set[str](),
}

PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
NETWORK = {"aiohttp", "ftplib", "http", "httpx", "requests", "socket", "socketserver", "urllib3"}


def imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Absolute dotted names that a module imports, as 'module' or 'module.name'."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")
                kept = parents[: len(parents) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def broken_rules(path: str, source: str) -> list[str]:
    """What a module breaks; `path` is relative to the repository, 'gencodec/model/vae.py'."""
    parts = Path(path).with_suffix("").parts
    floor = parts[1]
    if floor not in RANK:
        return [f"{path}: '{floor}' is no floor of gencodec"]
    package = ".".join(parts[:-1])
    tree = ast.parse(source, path)
    broken = []
    for name in imported(tree, package):
        top, _, rest = name.partition(".")
        if top == "__future__":
            continue
        if top == "gencodec":
            target = rest.partition(".")[0]
            if target not in RANK:  # `import gencodec`, or a name such as gencodec.__version__
                target = "__init__"
            if target != floor and RANK[target] >= RANK[floor] and floor != "cli":
                broken.append(f"{path}: {floor} imports {target}, which is not below it")
        elif top in PICKLES:
            broken.append(f"{path}: imports {top}; nothing is ever unpickled")
        elif top in NETWORK or name.startswith("urllib.request"):
            broken.append(f"{path}: imports {name}; gencodec does not use the network")
        elif top not in sys.stdlib_module_names and top not in LIBRARIES[floor]:
            broken.append(f"{path}: {floor} must not import {top}")
        if top == "constriction" and path != "gencodec/entropy/ans.py":
            broken.append(f"{path}: constriction belongs to entropy/ans.py alone")
    broken += [f"{path}:{line}: {what}" for line, what in unsafe_loads(tree)]
    return broken


def unsafe_loads(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Lines that load data in a way that could run code from it."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        given = {word.arg: word.value for word in node.keywords}
        allowed = given.get("allow_pickle")
        if allowed is not None and not is_constant(allowed, False):
            yield node.lineno, "allow_pickle"
        is_torch_load = ast.unparse(node.func) in ("torch.load", "torch.hub.load")
        if is_torch_load and not is_constant(given.get("weights_only"), True):
            yield node.lineno, "torch.load without weights_only=True"


def is_constant(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def modules() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", modules())
def test_floors(path: str) -> None:
    assert broken_rules(path, (ROOT / path).read_text(encoding="utf-8")) == []


def test_one_adapter_for_compressai() -> None:
    users = []
    for path in modules():
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        package = ".".join(Path(path).parts[:-1])
        if any(name.split(".")[0] == "compressai" for name in imported(tree, package)):
            users.append(path)
    assert len(users) <= 1, users


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("gencodec/bitstream/a.py", "import numpy"),
        ("gencodec/bitstream/a.py", "from gencodec.image import pad"),
        ("gencodec/bitstream/a.py", "from ..model import vae"),
        ("gencodec/entropy/a.py", "import constriction"),
        ("gencodec/entropy/a.py", "import torch.nn"),
        ("gencodec/model/a/b.py", "from ...codec import x"),
        ("gencodec/model/a.py", "def f():\n    from gencodec import codec"),
        ("gencodec/model/a.py", "import gencodec"),
        ("gencodec/model/a.py", "from gencodec import __version__"),
        ("gencodec/codec/a.py", "import compressai.ans"),
        ("gencodec/codec/a.py", "import gencodec.cli.main"),
        ("gencodec/bench/a.py", "import gencodec.train"),
        ("gencodec/cli/a.py", "import torch"),
        ("gencodec/model/a.py", "import pickle"),
        ("gencodec/model/a.py", "from urllib.request import urlopen"),
        ("gencodec/model/a.py", "torch.load(path)"),
        ("gencodec/model/a.py", "torch.load(path, weights_only=flag)"),
        ("gencodec/model/a.py", "numpy.load(path, allow_pickle=True)"),
        ("gencodec/utils.py", ""),
    ],
)
def test_a_broken_rule_is_seen(path: str, source: str) -> None:
    assert len(broken_rules(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("gencodec/entropy/ans.py", "import constriction, numpy"),
        ("gencodec/model/a.py", "from . import b\nfrom .b import c\nfrom ..errors import E"),
        ("gencodec/model/a.py", "import torch\ntorch.load(path, weights_only=True)"),
        ("gencodec/cli/a.py", "import gencodec\nfrom gencodec.bench import speed"),
        ("gencodec/bench/a.py", "import compressai"),
        ("gencodec/__init__.py", "from gencodec.errors import GencodecError"),
    ],
)
def test_what_is_allowed_passes(path: str, source: str) -> None:
    assert broken_rules(path, source) == []


def test_torch_is_not_loaded_before_it_is_needed() -> None:
    """`info`, `models`, `--help` and errors must not wait for the seconds that torch takes."""
    script = (
        "import sys, gencodec, gencodec.bitstream, gencodec.cli.main, gencodec.cli.info,"
        " gencodec.model.locate, gencodec.pillow\n"
        "print({'torch', 'constriction', 'compressai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "set()\n", "")
