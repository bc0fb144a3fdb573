"""The codec: a picture to a .gnc stream and back, one visible line a stage."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from gencodec.bitstream import (
    ALPHA,
    EXIF,
    ICC,
    XMP,
    Container,
    Section,
)
from gencodec.image import (
    DEFAULT_MAX_PIXELS,
    Picture,
    PictureRows,
    PixelRows,
    decode_alpha,
    smooth_hidden,
)
from gencodec.model.quality import DEFAULT_QUALITY, step_of
from gencodec.model.weights import Weights

from .batch import compress_groups, decompress_groups
from .device import choose_device
from .encoder import Encoder
from .rate import meet_size
from .refine import NO_SEARCH, Search
from .shelf import ONE_TUNE, Tunes, WeightsShelf, open_weights
from .stream import (
    ImageLike,
    as_array,
    grey_of,
    inflated,
    open_stream,
    picture_of,
    side_sections,
    to_picture,
)
from .tiles import LatentReader, choose_grid
from .transform import gather_strips
from .view import Region, make_view


class Codec:
    """Load once, use many times; make one with :meth:`load`.

    A codec compresses with one set of weights for each tune, and decompresses files of any weights
    installed.

    Threads may share one.  A process that is forked after torch has been used has to call
    ``torch.set_num_threads(1)`` first: it would wait for torch's threads, which a fork leaves
    behind.
    """

    def __init__(self, weights: Weights, device: torch.device, tunes: Tunes = ONE_TUNE) -> None:
        """tunes: what the weights are for, and what there is beside them for other ends."""
        self._device = device
        self._shelf = WeightsShelf(weights, device, tunes)

    @classmethod
    def load(cls, model: str | Path | None = None, *, device: str = "auto") -> Codec:
        """model: a shipped name, the path of a weights file or of an encoder for installed
        weights, or None for the default weights.

        device: ``auto``, ``cpu`` or ``cuda``.  WeightsError when the weights are not there or
        not sound, or the device is not available.
        """
        chosen = choose_device(device)
        weights, tunes = open_weights(model, chosen)
        return cls(weights, chosen, tunes)

    @property
    def weights(self) -> Weights:
        """What plain streams are made with."""
        return self._shelf.own

    @property
    def weights_id(self) -> bytes:
        """The four bytes by which streams name this codec's weights."""
        return self.weights.weights_id

    def weights_for(self, search: Search) -> Weights:
        """What streams are made with when this is asked for; ValueError where it cannot be had."""
        return self._shelf.to_make(search)

    # One picture ------------------------------------------------------------------------

    def compress(
        self,
        image: ImageLike,
        *,
        quality: float = DEFAULT_QUALITY,
        tile: int | str | None = "auto",
        effort: int = 0,
        tune: str = "mse",
    ) -> bytes:
        """A path, PIL image, Picture or uint8 array (H, W), (H, W, 3) or (H, W, 4) -> stream.

        quality: 0 (smallest) to 100. tile: the side of tiles in pixels, a multiple of 64 up to
        4096, None for one tile, or ``"auto"``: tiles for large pictures. effort: how many times
        the symbols are looked over again for better ones, 0 to 1000; each takes about as long as
        three decodings. tune: what is better at equal bits, less squared error, ``"mse"``, or less
        structure lost, ``"ssim"``, which the eye goes by; there are default weights for either,
        and other weights that come with nothing for it need an effort. ImageError when the input
        is no picture, ValueError when any of the others is out of range.
        """
        search = Search(effort, tune)
        return self.compress_picture(to_picture(image), quality=quality, tile=tile, search=search)

    def compress_picture(
        self,
        picture: Picture,
        *,
        quality: float = DEFAULT_QUALITY,
        tile: int | str | None = "auto",
        search: Search = NO_SEARCH,
    ) -> bytes:
        """As :meth:`compress`, metadata and alpha included."""
        rest, rows = side_sections(picture), PictureRows(picture)
        return self.compress_rows(rows, quality=quality, tile=tile, rest=rest, search=search)

    def compress_to_size(
        self,
        image: ImageLike,
        target_bytes: int,
        *,
        tile: int | str | None = "auto",
        effort: int = 0,
        tune: str = "mse",
    ) -> bytes:
        """The best stream of at most `target_bytes`; see :func:`gencodec.codec.meet_size`.

        TargetError when they are too few for any quality, and errors as in :meth:`compress`.
        """
        search = Search(effort, tune)
        picture = to_picture(image)
        rest = side_sections(picture)
        rows = PictureRows(picture)
        encoder = self.encoder(rows, tile=tile, rest=rest, keep=True, search=search)
        return meet_size(encoder, target_bytes).stream

    def compress_rows(
        self,
        source: PixelRows,
        *,
        quality: float = DEFAULT_QUALITY,
        tile: int | str | None = "auto",
        rest: Sequence[Section] = (),
        search: Search = NO_SEARCH,
    ) -> bytes:
        """As :meth:`compress`, from rows that are read as they are needed."""
        encoder = self.encoder(source, tile=tile, rest=rest, search=search)
        return encoder.stream(step_of(quality))

    def encoder(
        self,
        source: PixelRows,
        *,
        tile: int | str | None = "auto",
        rest: Sequence[Section] = (),
        keep: bool = False,
        search: Search = NO_SEARCH,
    ) -> Encoder:
        """What makes the streams of one picture at several steps (:mod:`gencodec.codec.rate`)."""
        grid = choose_grid(source.width, source.height, tile)
        weights = self.weights_for(search)
        return Encoder(weights, self._device, source, rest, grid, keep=keep, search=search)

    def decompress(
        self,
        data: bytes,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        region: Region | None = None,
        scale: int = 1,
    ) -> npt.NDArray[np.uint8]:
        """A stream -> uint8 (H, W, 3), (H, W) if grey, or (H, W, 4) if it has alpha.

        region: (left, top, width, height) in pixels: only that part; of a tiled stream only its
        tiles are decoded. scale: 1, 2, 4 or 8, by which the picture is reduced.

        FormatError (or one of its children) when the stream breaks the format, ChecksumError
        when it is damaged, WeightsError when its weights are not installed, ValueError when the
        region does not lie inside the picture or the scale is another.
        """
        picture = self.decompress_picture(data, max_pixels=max_pixels, region=region, scale=scale)
        return as_array(picture)

    def decompress_picture(
        self,
        data: bytes,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        allow_truncated: bool = False,
        salvage: bool = False,
        region: Region | None = None,
        scale: int = 1,
    ) -> Picture:
        """As :meth:`decompress`, metadata, alpha and notes included.

        allow_truncated: a file whose end is missing gives the whole picture in less detail, and
        a note says so, instead of TruncatedError. salvage: so does a file that is damaged, as far
        as its tiles are sound; notes name those that are not.
        """
        container = open_stream(data, max_pixels, allow_truncated=allow_truncated, salvage=salvage)
        return self._show(container, salvage, region, scale)

    def decompress_strips(
        self, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> Iterator[npt.NDArray[np.uint8]]:
        """The colours of a stream, strip by strip from the top: uint8 (rows, W, 3) or (rows, W).

        For pictures too large to be held whole; errors as in :meth:`decompress`.
        """
        header = (container := open_stream(data, max_pixels)).header
        view = make_view(header.width, header.height, None, 1)
        for (strip,) in self._reader(container).strips(view):
            yield grey_of(strip) if header.grey else strip

    def verify(self, data: bytes, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> None:
        """Decode every symbol of a stream and check them all; raises what decompress would."""
        container = open_stream(data, max_pixels)
        self._reader(container).check()
        header = container.header
        alpha = container.section(ALPHA)
        if alpha is not None:
            decode_alpha(alpha, header.width, header.height)
        for tag in (ICC, EXIF, XMP):
            inflated(container, tag)

    # Many pictures ----------------------------------------------------------------------

    def compress_batch(
        self,
        images: Sequence[ImageLike],
        *,
        quality: float = DEFAULT_QUALITY,
        effort: int = 0,
        tune: str = "mse",
    ) -> list[bytes]:
        """Streams in the order of the images; quality, effort and tune as in :meth:`compress`.

        Neighbours of one size share a pass through the device (:mod:`gencodec.codec.batch`).
        """
        search = Search(effort, tune)

        def alone(picture: Picture) -> bytes:
            return self.compress_picture(picture, quality=quality, search=search)

        pictures = [smooth_hidden(to_picture(image)) for image in images]
        weights, step = self.weights_for(search), step_of(quality)
        return compress_groups(pictures, weights, self._device, step, search, alone)

    def decompress_batch(
        self, streams: Sequence[bytes], *, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> list[npt.NDArray[np.uint8]]:
        """The inverse of :meth:`compress_batch`; the first bad stream raises."""

        def alone(container: Container) -> Picture:
            return self._show(container, False, None, 1)

        containers = [open_stream(data, max_pixels) for data in streams]
        pictures = decompress_groups(containers, self._shelf.to_read, self._device, alone)
        return [as_array(picture) for picture in pictures]

    # Parts ------------------------------------------------------------------------------

    def _show(
        self, container: Container, salvage: bool, region: Region | None, scale: int
    ) -> Picture:
        header = container.header
        view = make_view(header.width, header.height, region, scale)
        reading = self._reader(container, salvage)
        pixels = gather_strips(reading.strips(view), 1, view.reduced.width, view.reduced.height)[0]
        return picture_of(container, pixels, view, reading.notes())

    def _reader(self, container: Container, salvage: bool = False) -> LatentReader:
        header = container.header
        weights = self._shelf.to_read(header.weights_id)
        step = torch.full((1,), header.step, device=self._device)
        return LatentReader(container, weights, step, salvage=salvage)
