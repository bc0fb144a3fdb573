"""y and z to a payload of bytes and back: the exact prior and the entropy coder, in passes.

y --h_a--round--> z ---passes-----+
prior(z_hat) ---> y ---4 passes---+--> ANS payload                      (quantise, encode)
payload --> z --> prior --> pass 1 of y --> prior --> pass 2 ... --> y_hat   (decode_latents)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from gencodec.entropy import Pass, PassDecoder, ScaleTables, encode_passes, ideal_bits
from gencodec.entropy.coding import CHECK_BYTES
from gencodec.errors import ChecksumError
from gencodec.model.config import HYPER_STRIDE
from gencodec.model.exact import exact_arithmetic
from gencodec.model.hyperprior import MEAN_UNITS, Gaussians, Passes
from gencodec.model.vae import Z_MAX, ImageVae, quantise_symbols, table_rows
from gencodec.model.weights import Weights

from .conceal import conceal


@dataclass(frozen=True)
class Latents:
    """The symbols of one picture or tile, ready to be coded: passes of z, then the 4 of y.

    y_hat16: what a decoder will have, (1, M, h, w) float32 holding sixteenths.
    """

    passes: tuple[Pass, ...]
    y_hat16: Tensor

    def encode(self, tables: ScaleTables) -> bytes:
        """The payload; see :meth:`encode_parts`."""
        return b"".join(self.encode_parts(tables))

    def encode_parts(self, tables: ScaleTables) -> list[bytes]:
        """The payload cut where a decoder needs it: its check, then the words of each pass.

        It is read back and compared before it is handed out; raises ChecksumError if the coder
        did not return what it was given.
        """
        payload = encode_passes(self.passes, tables)
        decoder = PassDecoder(payload, tables)
        total, bounds = decoder.words_left, [0, CHECK_BYTES]
        for symbols, scale_index in self.passes:
            if not np.array_equal(decoder.decode(scale_index), symbols):
                raise ChecksumError("the stream did not decode to the symbols that were encoded")
            bounds.append(CHECK_BYTES + 4 * (2 + total - decoder.words_left))
        decoder.finish()
        return [payload[start:stop] for start, stop in pairwise(bounds)]

    @property
    def y_hat(self) -> Tensor:
        """What a decoder will have: (1, M, h, w) float32."""
        return self.y_hat16 / MEAN_UNITS

    def ideal_bits(self, tables: ScaleTables) -> float:
        """Bits of the symbols under the model: what the payload should cost."""
        return ideal_bits(self.passes, tables)


def hyper_latents(vae: ImageVae, y: Tensor) -> Tensor:
    """h_a: y (B, M, h, w) float32 -> z (B, N, ceil(h/4), ceil(w/4)) float32, within bounds."""
    weight = vae.h_a.enter.weight
    with exact_arithmetic(weight.device):
        z = vae.h_a(y.to(weight.device, weight.dtype)).float()
        return z.nan_to_num().clamp(-Z_MAX, Z_MAX)


def hyper_positions(part: slice) -> slice:
    """The positions of z that go with these of y, of which the first begins one."""
    return slice(part.start // HYPER_STRIDE, _hyper(part.stop))


def quantise(vae: ImageVae, y: Tensor, step: Tensor, z: Tensor | None = None) -> list[Latents]:
    """y (B, M, h, w) float32, in quantisation steps; step (B,) -> the symbols of each picture.

    z: what goes with y, as of :func:`hyper_latents`, where it is another than h_a makes of y.
    """
    prior = vae.prior
    if z is None:
        z = hyper_latents(vae, y)
    # Where the GPU failed the self-test, the prior is on the CPU.
    y, z, row = (t.to(prior.device) for t in (y, z, table_rows(step)))
    with exact_arithmetic(prior.device):
        of_z, z_hat16 = _quantised(z, prior.z_passes(row))
        features = prior.features(z_hat16, row, *y.shape[2:])
        of_y, y_hat16 = _quantised(y, prior.y_passes(features, row))
    return [
        Latents(tuple(of_picture), y_hat16[index : index + 1])
        for index, of_picture in enumerate(zip(*of_z, *of_y, strict=True))
    ]


def _quantised(values: Tensor, passes: Passes) -> tuple[list[list[Pass]], Tensor]:
    """Each pass of every picture, and what a decoder will have, in sixteenths."""
    coded, known16 = [], torch.zeros_like(values, memory_format=torch.channels_last)
    for index, places in enumerate(passes.places):
        parts = []
        for place, gaussians in zip(places, passes.say(index, known16), strict=True):
            symbols = quantise_symbols(values[place], gaussians)
            known16[place] = symbols * MEAN_UNITS + gaussians.mean16
            parts.append((symbols, gaussians))
        coded.append(_to_host(parts))
    return coded, known16


def decode_latents(
    weights: Weights, decoders: Sequence[PassDecoder], step: Tensor, height: int, width: int
) -> Tensor:
    """The inverse: y_hat (B, M, height, width) float32; height and width count positions of y.

    Where the words of a cut payload run out, y_hat is what :func:`conceal` makes of the rest.

    Raises ChecksumError when the symbols are not those that were encoded, as soon as that is
    known: words that run out end the work.
    """
    prior = weights.vae.prior
    row = table_rows(step).to(prior.device)
    with exact_arithmetic(row.device):
        config = weights.vae.config
        z_hat16, _ = _decoded(
            decoders, prior.z_passes(row), (config.hyper, _hyper(height), _hyper(width)), row.device
        )
        features = prior.features(z_hat16, row, height, width)
        y_hat16, known = _decoded(
            decoders, prior.y_passes(features, row), (config.latent, height, width), row.device
        )
        for decoder in decoders:
            decoder.finish()
        y_hat = y_hat16 / MEAN_UNITS
        return y_hat if known is None else conceal(y_hat, known)


def _decoded(
    decoders: Sequence[PassDecoder],
    passes: Passes,
    shape: tuple[int, int, int],
    device: torch.device,
) -> tuple[Tensor, Tensor | None]:
    """The inverse of :func:`_quantised` for latents of this shape, in sixteenths.

    Also which of them the words were there for, bool; None for all, as in every sound stream.
    """
    known16 = torch.zeros((len(decoders), *shape), dtype=torch.float32, device=device)
    known16 = known16.to(memory_format=torch.channels_last)
    there: Tensor | None = None
    for index, places in enumerate(passes.places):
        parts = passes.say(index, known16)
        for place, symbols, part in zip(
            places, _from_decoders(decoders, parts), parts, strict=True
        ):
            known16[place] = symbols * MEAN_UNITS + part.mean16
        if any(decoder.missing is not None for decoder in decoders):
            there = torch.ones_like(known16, dtype=torch.bool) if there is None else there
            for place, of_part in zip(places, _known(decoders, parts), strict=True):
                there[place] = of_part
    return known16, there


def _hyper(side: int) -> int:
    return -(-side // HYPER_STRIDE)


def _to_host(coded: Sequence[tuple[Tensor, Gaussians]]) -> list[Pass]:
    """Slices of a pass -> for each picture its symbols and scale indices, end to end."""
    symbols = _flat([part for part, _ in coded]).to(torch.int32).cpu().numpy()
    scale_index = _flat([g.scale_index for _, g in coded]).to(torch.uint8).cpu().numpy()
    return list(zip(symbols, scale_index, strict=True))


def _from_decoders(decoders: Sequence[PassDecoder], parts: Sequence[Gaussians]) -> list[Tensor]:
    """Decode one pass of every picture; symbols in the shapes of ``parts``, float32."""
    indices = _flat([part.scale_index for part in parts]).to(torch.uint8).cpu().numpy()
    symbols = np.stack([d.decode(index) for d, index in zip(decoders, indices, strict=True)])
    return _shaped(torch.from_numpy(symbols).to(parts[0].scale_index.device).float(), parts)


def _known(decoders: Sequence[PassDecoder], parts: Sequence[Gaussians]) -> list[Tensor]:
    """Which symbols of the pass just decoded were there, bool."""
    size = sum(part.scale_index[0].numel() for part in parts)
    missing = [np.zeros(size, bool) if d.missing is None else d.missing for d in decoders]
    return _shaped(~torch.from_numpy(np.stack(missing)).to(parts[0].scale_index.device), parts)


def _shaped(flat: Tensor, parts: Sequence[Gaussians]) -> list[Tensor]:
    sizes = [part.scale_index[0].numel() for part in parts]
    shaped = zip(flat.split(sizes, 1), parts, strict=True)
    return [values.view(part.scale_index.shape) for values, part in shaped]


def _flat(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.reshape(len(part), -1) for part in parts], 1)
