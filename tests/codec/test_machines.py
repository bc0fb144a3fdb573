"""Other instruction sets, in processes of their own: the same prior, the same golden symbols."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gencodec.codec import Codec
from gencodec.model.selftest import prior_digest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = sorted((ROOT / "tests" / "vectors" / "golden").glob("*/*.gnc"))

# Loading proves and self-tests the prior; verify decodes every symbol and raises if one differs.
SCRIPT = """
import json, sys
from pathlib import Path
import torch
from gencodec.codec import Codec
from gencodec.model.selftest import prior_digest
codec = Codec.load(device="cpu")
for path in sys.argv[1:]:
    codec.verify(Path(path).read_bytes())
print(json.dumps({
    "capability": torch.backends.cpu.get_cpu_capability(),
    "threads": torch.get_num_threads(),
    "digest": prior_digest(codec.weights.vae.prior),
}))
"""


@pytest.mark.parametrize(
    ("environment", "plain"),
    [
        # The plainest kernels of torch itself, one thread.
        ({"ATEN_CPU_CAPABILITY": "default"}, True),
        # oneDNN as on a machine without AVX.
        ({"ONEDNN_MAX_CPU_ISA": "SSE41"}, False),
    ],
    ids=["torch without vectors", "oneDNN with SSE 4.1"],
)
def test_other_instruction_sets(codec: Codec, environment: dict[str, str], plain: bool) -> None:
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, GOLDEN)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    seen = json.loads(result.stdout)
    assert seen["threads"] == 1
    assert not plain or seen["capability"] in ("DEFAULT", "NO AVX")  # the latter by older torch
    assert seen["digest"] == prior_digest(codec.weights.vae.prior)
    assert GOLDEN, "the golden vectors are missing"
