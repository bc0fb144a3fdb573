"""CompressAI's codecs as rivals: the one module that imports compressai.

Published weights are used where CompressAI has left them in torch's cache of downloads; nothing
is downloaded here.  Without them there is no curve to measure, only speed: that hardly depends on
weights, as long as the symbols are as many and as probable as real ones, and random weights are
rescaled so that they are (see :func:`_give_ordinary_rate`).
"""

from __future__ import annotations

import importlib.util
import math
import struct
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gencodec.bench.contestants import About, Recipe, UnknownRivalError
from gencodec.image import Pixels, pad, three_channels

QUALITY = 4
"""The architecture of CompressAI's quality levels 1 to 4 (M = 192 for its hyperprior models)."""

BPP = 0.46
"""What published mbt2018-mean weights of quality 4 need on Kodak (PSNR 32.95 dB)."""

STRIDE = 64
"""Sides must be multiples of this."""

SPREAD = 1000.0
"""From the widest channel of y to the narrowest: most channels of trained models are silent."""

CALIBRATION_SIDE = 256

_FRAME = struct.Struct("<IIHHI")
"""width, height, rows and columns of z, bytes of y: the least that a file has to carry."""


@dataclass(frozen=True, eq=False)
class CompressaiCodec:
    """A mean-scale hyperprior of CompressAI's zoo, at its own architecture.

    nets: by quality; QUALITY alone, with random weights, where there are no published ones.
    """

    model: str
    published: bool
    nets: dict[int, Any]
    quality: float
    threads: int
    device: torch.device
    note: str

    whole = True

    @property
    def about(self) -> About:
        kind = "published weights" if self.published else "random weights"
        return About(
            name=f"compressai:{self.model}",
            label=f"CompressAI {self.model}",
            settings=f"{self.model}(quality=q, metric=mse), {kind}",
            version=f"compressai {version('compressai')}, torch {torch.__version__}",
            threads=self.threads,
            note=self.note,
        )

    @property
    def qualities(self) -> tuple[float, ...]:
        return tuple(float(level) for level in sorted(self.nets)) if self.published else ()

    @property
    def identity(self) -> str:
        about = self.about
        return f"{about.settings} {about.version} {self.device} {self.threads}"

    @property
    def net(self) -> Any:
        return self.nets[round(self.quality)]

    def at(self, quality: float) -> CompressaiCodec:
        """At the nearest quality that there are weights for: not all may have been downloaded."""
        return replace(self, quality=min(self.nets, key=lambda level: abs(level - quality)))

    def compress(self, pixels: Pixels) -> bytes:
        height, width = pixels.shape[:2]
        with torch.inference_mode():
            coded = self.net.compress(_to_tensor(pad(pixels, STRIDE), self.device))
        (y,), (z,) = coded["strings"]
        return _FRAME.pack(width, height, *coded["shape"], len(y)) + y + z

    def decompress(self, stream: bytes) -> Pixels:
        width, height, rows, columns, y_bytes = _FRAME.unpack_from(stream)
        y, z = stream[_FRAME.size : _FRAME.size + y_bytes], stream[_FRAME.size + y_bytes :]
        with torch.inference_mode():
            x_hat = self.net.decompress([[y], [z]], (rows, columns))["x_hat"]
            levels = (x_hat[0, :, :height, :width] * 255.0 + 0.5).clamp(0.0, 255.0)
            return np.ascontiguousarray(levels.to(torch.uint8).permute(1, 2, 0).cpu().numpy())


def load(recipe: Recipe) -> CompressaiCodec:
    """A codec of CompressAI's zoo, its published weights if they are on this disk.

    UnknownRivalError when the zoo has no such model, or one of another kind than the mean-scale
    hyperprior that is understood here; ModuleNotFoundError when compressai is not installed.
    """
    model, device = recipe.name.partition(":")[2], torch.device(recipe.device)
    if model != "mbt2018-mean":
        raise UnknownRivalError(f"unknown rival {recipe.name!r}; there is compressai:mbt2018-mean")
    _declare_operators()
    from compressai.zoo import image_models

    files = {level: path for level, path in _published(model).items() if path.is_file()}
    nets = {level: _with_weights(image_models[model], level, path) for level, path in files.items()}
    note = ""
    if not nets:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = image_models[model](quality=QUALITY, pretrained=False).eval()
            outside = _give_ordinary_rate(net)
        net.update()
        nets[QUALITY] = net
        note = (
            f"the architecture of quality {QUALITY} with random weights, rescaled to an ordinary "
            f"rate (y about {BPP} bpp under its scales, {100 * outside:.2f} % of its symbols "
            "beyond six of them); float32, as the library runs it"
        )
    middle = sorted(nets)[len(nets) // 2]
    nets = {level: net.to(device) for level, net in nets.items()}
    return CompressaiCodec(model, bool(files), nets, middle, recipe.threads, device, note)


def _published(model: str) -> dict[int, Path]:
    """Where torch.hub keeps published weights, by quality, once CompressAI has downloaded them."""
    from compressai.zoo.image import model_urls

    folder = Path(torch.hub.get_dir()) / "checkpoints"
    urls = model_urls.get(model, {}).get("mse", {})
    return {level: folder / str(url).rpartition("/")[2] for level, url in urls.items()}


def _with_weights(architecture: Any, level: int, path: Path) -> Any:
    """The model of one quality with a downloaded file's weights."""
    from compressai.zoo import load_state_dict as renamed

    net = architecture(quality=level, pretrained=False).eval()
    net.load_state_dict(renamed(torch.load(path, map_location="cpu", weights_only=True)))
    net.update()
    return net


def _declare_operators() -> None:
    """Let torchvision, which compressai imports, load beside a torch of another build.

    A torchvision built for CUDA cannot load its own operators without CUDA's libraries, and
    fails when it then describes them to torch.  Nothing here calls them: their names are enough.
    """
    spec = importlib.util.find_spec("torchvision")
    if spec is None or hasattr(torch.ops.torchvision, "nms"):
        return
    for folder in spec.submodule_search_locations or []:
        for library in Path(folder).glob("_C*"):
            try:
                torch.ops.load_library(library)
            except OSError:
                continue
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            torch.library.define(
                f"torchvision::{name}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )


@torch.no_grad()
def _give_ordinary_rate(net: Any) -> float:
    """Rescale g_a's last layer to the scales that h_s is then made to predict.

    Channel deviations fall off geometrically, and their entropy adds up to BPP.  Returns the
    share of symbols beyond six deviations, which the coder would have to escape.
    """
    y = net.g_a(_calibration_picture())
    deviation, mean = y.std((0, 2, 3)), y.mean((0, 2, 3))
    falloff = SPREAD ** -(torch.arange(len(mean)) / (len(mean) - 1))
    scale = _widest(falloff) * falloff
    gain = scale / deviation
    last = net.g_a[-1]
    last.weight.mul_(gain[:, None, None, None])
    last.bias.copy_((last.bias - mean) * gain)
    net.h_s[-1].bias.copy_(torch.cat((scale, torch.zeros_like(scale))))
    limit = 6.0 * scale.clamp_min(0.11)[:, None, None]
    return float(
        ((y - mean[:, None, None]) * gain[:, None, None]).round().abs().gt(limit).float().mean()
    )


def _widest(falloff: Tensor) -> float:
    """The factor by which channel deviations must be multiplied to need BPP in all."""
    low, high = 0.01, 10_000.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        enough = float(_entropy(middle * falloff).sum()) / 256 > BPP
        low, high = (low, middle) if enough else (middle, high)
    return high


def _entropy(scale: Tensor) -> Tensor:
    """Bits of rounded zero-mean Gaussians: (C,) -> (C,)."""
    edges = torch.arange(-1000.5, 1001.0, dtype=torch.float64)
    cdf = 0.5 * torch.erfc(-edges / (scale.double()[:, None] * math.sqrt(2.0)))
    mass = cdf.diff(dim=1).clamp_min(1e-30)
    return -(mass * mass.log2()).sum(1)


def _calibration_picture() -> Tensor:
    """Noise of natural spectrum, amplitude falling as 1/f: (1, 3, side, side) in 0..1."""
    x = torch.zeros((1, 3, CALIBRATION_SIDE, CALIBRATION_SIDE))
    for octave in range(8):
        side = 2 << octave
        noise = torch.randn((1, 3, side, side)) / side
        x += functional.interpolate(noise, x.shape[2:], mode="bilinear", align_corners=False)
    return 0.5 + 0.2 * x / x.std()


def _to_tensor(pixels: Pixels, device: torch.device) -> Tensor:
    """uint8 (H, W, 3) or (H, W) -> (1, 3, H, W) float32 in 0..1."""
    x = torch.from_numpy(np.ascontiguousarray(three_channels(pixels))).to(device)
    return x.permute(2, 0, 1)[None].float() / 255.0
