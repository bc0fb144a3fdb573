"""The codec: a picture to a .gnc stream and back, one visible line a stage."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gencodec.bitstream import (
    ALPHA,
    EXIF,
    ICC,
    XMP,
    Container,
    Header,
)
from gencodec.errors import WeightsError
from gencodec.image import (
    Picture,
    decode_alpha,
)
from gencodec.model.quality import step_of
from gencodec.model.registry import WeightsEntry, find_weights, find_weights_by_id
from gencodec.model.weights import Weights, load_weights

from .device import choose_device, narrow_encoder
from .latents import Latents, decode_latents, quantise
from .stream import (
    ImageLike,
    as_array,
    inflated,
    latent_size,
    latents_decoder,
    open_stream,
    pack_stream,
    picture_of,
    rgb,
    to_picture,
)
from .transform import analyze, synthesize

DEFAULT_QUALITY = 60.0
DEFAULT_MAX_PIXELS = 64_000_000
BATCH_PIXELS = 8_000_000
"""Pictures of one size go through the device together up to this many pixels."""


class Codec:
    """Load once, use many times; make one with :meth:`load`.

    A codec compresses with one set of weights and decompresses files of any weights installed.
    """

    def __init__(self, weights: Weights, device: torch.device) -> None:
        if device.type == "cpu":
            narrow_encoder(weights.vae)
        self._weights = weights
        self._device = device
        self._loaded = {weights.weights_id: weights}

    @classmethod
    def load(cls, model: str | Path | None = None, *, device: str = "auto") -> Codec:
        """model: a shipped name, the path of a weights file, or None for the default weights.

        device: ``auto``, ``cpu`` or ``cuda``.  WeightsError when the weights are not there or
        not sound, or the device is not available.
        """
        chosen = choose_device(device)
        if model is not None and Path(model).suffix == ".safetensors":
            return cls(load_weights(Path(model), device=chosen), chosen)
        entry = find_weights(None if model is None else str(model))
        return cls(_load_installed(entry, chosen), chosen)

    @property
    def weights_id(self) -> bytes:
        """The four bytes by which streams name this codec's weights."""
        return self._weights.weights_id

    # One picture ------------------------------------------------------------------------

    def compress(self, image: ImageLike, *, quality: float = DEFAULT_QUALITY) -> bytes:
        """A path, PIL image, Picture or uint8 array (H, W), (H, W, 3) or (H, W, 4) -> stream.

        quality: 0 (smallest) to 100.  ImageError when the input is no picture, ValueError when
        the quality is out of range.
        """
        return self.compress_picture(to_picture(image), quality=quality)

    def compress_picture(self, picture: Picture, *, quality: float = DEFAULT_QUALITY) -> bytes:
        """As :meth:`compress`, metadata and alpha included."""
        step = self._step(step_of(quality), 1)
        y = analyze(self._weights.vae, rgb(picture)[None], step)
        (latents,) = quantise(self._weights.vae, y, step)
        return self._pack(picture, latents, int(step))

    def decompress(
        self, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> npt.NDArray[np.uint8]:
        """A stream -> uint8 (H, W, 3), (H, W) if grey, or (H, W, 4) if it has alpha.

        FormatError (or one of its children) when the stream breaks the format, ChecksumError
        when it is damaged, WeightsError when its weights are not installed.
        """
        return as_array(self.decompress_picture(data, max_pixels=max_pixels))

    def decompress_picture(
        self,
        data: bytes,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        allow_truncated: bool = False,
    ) -> Picture:
        """As :meth:`decompress`, metadata, alpha and notes included.

        allow_truncated: a file whose end is missing gives the whole picture in less detail, and
        a note says so, instead of TruncatedError.
        """
        container = open_stream(data, max_pixels, allow_truncated)
        weights, header = self._weights_of(container.header), container.header
        decoder = latents_decoder(container, weights)
        step = self._step(header.step, 1)
        y_hat = decode_latents(weights, [decoder], step, *latent_size(header))
        (pixels,) = synthesize(weights.vae, y_hat, step, header.width, header.height)
        return picture_of(container, pixels, decoder)

    def verify(self, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Decode every symbol of a stream and check them all; raises what decompress would."""
        container = open_stream(data, max_pixels, False)
        weights, header = self._weights_of(container.header), container.header
        step = self._step(header.step, 1)
        size = latent_size(header)
        decode_latents(weights, [latents_decoder(container, weights)], step, *size)
        alpha = container.section(ALPHA)
        if alpha is not None:
            decode_alpha(alpha, header.width, header.height)
        for tag in (ICC, EXIF, XMP):
            inflated(container, tag)

    # Many pictures ----------------------------------------------------------------------

    def compress_batch(
        self, images: Sequence[ImageLike], *, quality: float = DEFAULT_QUALITY
    ) -> list[bytes]:
        """Streams in the order of the images.

        Neighbours of one size share a pass through the device, and while it works on a group a
        thread codes the symbols of the one before.
        """
        streams: list[Future[bytes]] = []
        with ThreadPoolExecutor(1) as coder:
            pictures = [to_picture(image) for image in images]
            for group in _groups([(p.width, p.height) for p in pictures]):
                part = [pictures[index] for index in group]
                step = self._step(step_of(quality), len(part))
                y = analyze(self._weights.vae, np.stack([rgb(p) for p in part]), step)
                for picture, latents in zip(
                    part, quantise(self._weights.vae, y, step), strict=True
                ):
                    streams.append(coder.submit(self._pack, picture, latents, int(step[0])))
            return [stream.result() for stream in streams]

    def decompress_batch(
        self, streams: Sequence[bytes], *, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> list[npt.NDArray[np.uint8]]:
        """The inverse of :meth:`compress_batch`; the first bad stream raises.

        Two groups are in flight at a time on a GPU, so that one is decoded while the device
        works on the other.
        """
        containers = [open_stream(data, max_pixels, False) for data in streams]
        headers = [container.header for container in containers]
        keys = [(header.width, header.height, header.weights_id) for header in headers]
        for header in headers:
            self._weights_of(header)
        workers = 2 if self._device.type == "cuda" else 1
        with ThreadPoolExecutor(workers) as pool:
            groups = list(_groups(keys))
            work = pool.map(self._decode_group, [[containers[i] for i in g] for g in groups])
            return [as_array(picture) for pictures in work for picture in pictures]

    def _decode_group(self, containers: Sequence[Container]) -> list[Picture]:
        first = containers[0].header
        weights = self._weights_of(first)
        decoders = [latents_decoder(container, weights) for container in containers]
        step = torch.tensor([c.header.step for c in containers], device=self._device)
        y_hat = decode_latents(weights, decoders, step, *latent_size(first))
        pixels = synthesize(weights.vae, y_hat, step, first.width, first.height)
        return [picture_of(*parts) for parts in zip(containers, pixels, decoders, strict=True)]

    # Parts ------------------------------------------------------------------------------

    def _step(self, step: int, count: int) -> Tensor:
        return torch.full((count,), step, device=self._device)

    def _weights_of(self, header: Header) -> Weights:
        if header.weights_id not in self._loaded:
            entry = find_weights_by_id(header.weights_id)
            self._loaded[header.weights_id] = _load_installed(entry, self._device)
        return self._loaded[header.weights_id]

    def _pack(self, picture: Picture, latents: Latents, step: int) -> bytes:
        payload = latents.encode(self._weights.tables)
        return pack_stream(picture, payload, weights_id=self.weights_id, step=step)


def _load_installed(entry: WeightsEntry, device: torch.device) -> Weights:
    """Weights of the manifest; WeightsError when the file is not the one that was released."""
    weights = load_weights(entry.path, device=device)
    if weights.digest.hex() != entry.id_hex:
        raise WeightsError(f"{entry.path.name}: its content is not what the manifest says")
    return weights


def _groups(keys: Iterable[tuple[object, ...]]) -> Iterable[list[int]]:
    """Runs of neighbours with one key, at most BATCH_PIXELS together; a key opens with its size."""
    group: list[int] = []
    last: tuple[object, ...] | None = None
    for index, key in enumerate(keys):
        width, height = key[0], key[1]
        assert isinstance(width, int) and isinstance(height, int)
        full = (len(group) + 1) * width * height > BATCH_PIXELS
        if group and (key != last or full):
            yield group
            group = []
        group.append(index)
        last = key
    if group:
        yield group
