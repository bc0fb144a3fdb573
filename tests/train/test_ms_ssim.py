"""The metric by which held-out pictures are judged beside PSNR."""

from __future__ import annotations

import pytest
import torch

from gencodec.train.ms_ssim import ms_ssim
from tests.train.runs import Photo, batch


@pytest.mark.parametrize("amount", [0.01, 0.1, 0.4])
def test_it_is_that_of_the_library(photo: Photo, amount: float) -> None:
    library = pytest.importorskip("pytorch_msssim")
    x = batch(photo, 2, 192)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    x_hat = (x + amount * noise).clamp(0.0, 1.0)
    ours = ms_ssim(x_hat, x)
    for plane in range(3):
        pair = (picture[:, plane : plane + 1] for picture in (x_hat, x))
        theirs = library.ms_ssim(*pair, data_range=1.0, size_average=False)
        assert torch.allclose(ours[:, plane], theirs, atol=2e-4)


def test_a_side_without_room_for_the_window() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        ms_ssim(torch.zeros(1, 3, 10, 64), torch.zeros(1, 3, 10, 64))
