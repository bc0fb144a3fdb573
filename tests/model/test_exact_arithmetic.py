"""The context in which the prior runs: nothing the caller allows may make float32 less than that.

On hardware with bfloat16 or TensorFloat-32 units these settings change sums; elsewhere only the
settings themselves can be looked at.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gencodec.model.exact import ExactConv, exact_arithmetic

CPU = torch.device("cpu")

pytestmark = pytest.mark.skipif(
    not hasattr(torch.backends, "fp32_precision"), reason="this torch has no such settings for CPU"
)


def settings() -> tuple[str, str]:
    """What oneDNN may do with float32 products: in effect now."""
    mkldnn: Any = torch.backends.mkldnn
    return mkldnn.matmul.fp32_precision, mkldnn.conv.fp32_precision


def allow(precision: str) -> None:
    mkldnn: Any = torch.backends.mkldnn
    mkldnn.matmul.fp32_precision = precision
    mkldnn.conv.fp32_precision = precision


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    yield
    torch.set_float32_matmul_precision("highest")
    allow("none")


def test_reduced_precision_is_off_inside_and_back_outside() -> None:
    allow("bf16")
    with exact_arithmetic(CPU):
        assert settings() == ("ieee", "ieee")
    assert settings() == ("bf16", "bf16")


def test_matmul_precision_medium_is_defeated() -> None:
    torch.set_float32_matmul_precision("medium")
    assert settings()[0] == "bf16"
    # 12-bit integers: bfloat16 rounds most of them; in float32 sums of 256 products are exact.
    rng = torch.Generator().manual_seed(0)
    a = torch.randint(0, 4096, (256, 256), generator=rng)
    b = torch.randint(-15, 16, (256, 256), generator=rng)
    with exact_arithmetic(CPU):
        assert settings() == ("ieee", "ieee")
        product = b.float() @ a.float()
        convolved = torch.nn.functional.conv2d(
            a.float().view(1, 256, 16, 16), b.float().view(256, 256, 1, 1)
        )
    assert torch.equal(product.to(torch.int64), b @ a)
    assert torch.equal(convolved.to(torch.int64), (b @ a).view(1, 256, 16, 16))
    assert torch.get_float32_matmul_precision() == "medium"
    assert settings()[0] == "bf16"


def test_autocast_is_off_inside() -> None:
    layer = ExactConv(64, 8)
    layer.weight.copy_(torch.randint(-127, 128, layer.weight.shape))
    layer.shift.fill_(1)
    x = torch.randint(0, 256, (1, 64, 4, 4)).float()
    plain = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not torch.equal(layer(x).float(), plain)  # autocast alone does spoil it
        with exact_arithmetic(CPU):
            inside = layer(x)
            assert inside.dtype == torch.float32 and torch.equal(inside, plain)
        assert torch.is_autocast_enabled("cpu")


def test_settings_come_back_after_an_error_and_when_nested() -> None:
    allow("bf16")
    before = settings()

    def nested() -> None:
        with exact_arithmetic(CPU):
            with exact_arithmetic(CPU):
                pass
            assert settings() == ("ieee", "ieee")
            raise KeyError

    with pytest.raises(KeyError):
        nested()
    assert settings() == before


def test_no_gradients_inside() -> None:
    with exact_arithmetic(CPU):
        assert torch.is_inference_mode_enabled()
    assert not torch.is_inference_mode_enabled()


def test_two_threads_do_not_undo_each_other() -> None:
    """Settings belong to the process: the first thread to leave must not loosen the second."""
    allow("bf16")
    entered, left, seen = threading.Event(), threading.Event(), []

    def second() -> None:
        with exact_arithmetic(CPU):
            entered.set()
            left.wait(10.0)
            seen.append(settings())

    thread = threading.Thread(target=second)
    with exact_arithmetic(CPU):
        thread.start()
        assert entered.wait(10.0)
    left.set()
    thread.join()
    assert seen == [("ieee", "ieee")]
    assert settings() == ("bf16", "bf16")
