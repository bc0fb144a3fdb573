"""y and z to a payload of bytes and back: the exact prior and the entropy coder, in passes.

y --h_a--round--> z ----pass 0----+
prior(z_hat) ------> pass 1..4 ---+--> ANS payload          (encode_latents)
payload --> z --> prior --> pass 1 --> prior --> pass 2 ... --> y_hat   (decode_latents)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from gencodec.entropy import Pass, PassDecoder, ScaleTables, encode_passes, ideal_bits
from gencodec.errors import ChecksumError
from gencodec.model.config import GROUPS, HYPER_STRIDE
from gencodec.model.exact import exact_arithmetic
from gencodec.model.hyperprior import MEAN_UNITS, Gaussians
from gencodec.model.partition import coded_slices
from gencodec.model.vae import Z_MAX, ImageVae, quantise_symbols, table_rows
from gencodec.model.weights import Weights

from .conceal import conceal

CHECK_BYTES = 4
"""symbols_check, in front of the words."""


@dataclass(frozen=True)
class Latents:
    """The symbols of one picture or tile, ready to be coded: pass 0 is z, passes 1 to 4 are y.

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
    return vae.h_a(y.to(weight.device, weight.dtype)).float().nan_to_num().clamp(-Z_MAX, Z_MAX)


def hyper_positions(part: slice) -> slice:
    """The positions of z that go with these of y, of which the first begins one."""
    return slice(part.start // HYPER_STRIDE, _hyper(part.stop))


def quantise(vae: ImageVae, y: Tensor, step: Tensor, z: Tensor | None = None) -> list[Latents]:
    """y (B, M, h, w) float32, in quantisation steps; step (B,) -> the symbols of each picture.

    z: what goes with y, as of :func:`hyper_latents`, where it is another than h_a makes of y.
    """
    prior = vae.prior
    if z is None:
        with torch.inference_mode():
            z = hyper_latents(vae, y)
    # Where the GPU failed the self-test, the prior is on the CPU.
    y, z, row = (t.to(prior.device) for t in (y, z, table_rows(step)))
    with exact_arithmetic(prior.device):
        of_z = _expand(prior.of_z(row), z)
        z_symbols = quantise_symbols(z, of_z)
        passes = [_to_host([(z_symbols, of_z)])]
        z_hat16 = z_symbols * MEAN_UNITS + of_z.mean16
        features = prior.features(z_hat16, row, *y.shape[2:])
        y_hat16 = torch.zeros_like(y, memory_format=torch.channels_last)
        for index in range(GROUPS):
            context = prior.context(index, features, y_hat16)
            coded = []
            for phase in range(GROUPS):
                place = coded_slices(index, phase, y.shape[1])
                gaussians = prior.gaussians(index, phase, context, row)
                symbols = quantise_symbols(y[place], gaussians)
                y_hat16[place] = symbols * MEAN_UNITS + gaussians.mean16
                coded.append((symbols, gaussians))
            passes.append(_to_host(coded))
    return [
        Latents(tuple(of_picture), y_hat16[index : index + 1])
        for index, of_picture in enumerate(zip(*passes, strict=True))
    ]


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
        of_z = prior.of_z(row)
        shape = (len(decoders), of_z.mean16.shape[1], *(_hyper(side) for side in (height, width)))
        of_z = _expand(of_z, torch.empty(shape, device=row.device))
        (z_symbols,) = _from_decoders(decoders, [of_z])
        features = prior.features(z_symbols * MEAN_UNITS + of_z.mean16, row, height, width)
        channels = weights.vae.config.latent
        y_hat16 = features.new_zeros((len(decoders), channels, height, width))
        y_hat16 = y_hat16.to(memory_format=torch.channels_last)
        known: Tensor | None = None  # all of it, as in every sound stream
        for index in range(GROUPS):
            context = prior.context(index, features, y_hat16)
            parts = [prior.gaussians(index, phase, context, row) for phase in range(GROUPS)]
            for phase, symbols in enumerate(_from_decoders(decoders, parts)):
                place = coded_slices(index, phase, channels)
                y_hat16[place] = symbols * MEAN_UNITS + parts[phase].mean16
            if any(decoder.missing is not None for decoder in decoders):
                if known is None:
                    known = torch.ones_like(y_hat16, dtype=torch.bool)
                for phase, there in enumerate(_known(decoders, parts)):
                    known[coded_slices(index, phase, channels)] = there
        for decoder in decoders:
            decoder.finish()
        y_hat = y_hat16 / MEAN_UNITS
        return y_hat if known is None else conceal(y_hat, known)


def _hyper(side: int) -> int:
    return -(-side // HYPER_STRIDE)


def _expand(of_z: Gaussians, like: Tensor) -> Gaussians:
    return Gaussians(*(part.expand(like.shape) for part in of_z))


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
