"""What a network is made of, as one frozen value that travels with its weights."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields

STEPS = 64
"""Gain indices: the learned tables of the prior have one row for each."""

FINE_STEPS = 256
"""Quality steps a file can name; four of them share one row of the prior's tables."""

LATENT_STRIDE = 16
"""Pixels of the picture to one position of y, in each direction."""

HYPER_STRIDE = 4
"""Positions of y to one position of z, in each direction."""

GROUPS = 4
"""Channel groups of y and z, and phases of a 2x2 neighbourhood: coded in as many passes."""

LATER = ("hyper_depth", 0)
"""A field that the text of a configuration has only where it is not this."""

MAX_WIDTH = 4096
MAX_DEPTH = 64
"""Even the modules of a network that holds no memory take time to make."""


@dataclass(frozen=True)
class ModelConfig:
    """Width and depth of a network.

    The transforms work at 1/8 (``trunk8`` channels) and at 1/16 of the picture's resolution,
    where the trunk is as wide as y itself (``latent`` channels), so that an orthonormal block
    transform is one point of the parameter space and training starts from it.

    ``hyper_depth`` counts the blocks of each context of z; with 0 z is coded in one pass, by its
    tables alone, as in all weights before there was a choice.
    """

    name: str
    trunk8: int = 192
    latent: int = 320
    depth8: int = 3
    depth16: int = 2
    hyper: int = 96
    prior: int = 256
    prior_depth: int = 2
    knots: int = 8
    hyper_depth: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            least = 0 if field.name == "hyper_depth" else 1
            most = MAX_DEPTH if "depth" in field.name else MAX_WIDTH
            if field.name != "name" and not (isinstance(value, int) and least <= value <= most):
                raise ValueError(
                    f"{field.name} must be an integer from {least} to {most}, not {value!r}"
                )
        if not isinstance(self.name, str):
            raise ValueError(f"name must be a string, not {self.name!r}")
        if self.prior % 2:
            raise ValueError(f"prior must be even, not {self.prior}")
        if self.latent % GROUPS:
            raise ValueError(f"latent must be a multiple of {GROUPS}, not {self.latent}")
        if self.hyper_depth and self.hyper % GROUPS:
            raise ValueError(f"hyper must be a multiple of {GROUPS}, not {self.hyper}")
        if self.knots < 2 or (STEPS - 1) % (self.knots - 1):
            raise ValueError(f"knots - 1 must divide {STEPS - 1}, not {self.knots - 1}")

    def to_json(self) -> str:
        """The canonical text: sorted keys, no spaces (it is part of the weights' identity).

        A ``hyper_depth`` of 0 is not in it: weights older than that field keep their identity.
        """
        values = {name: value for name, value in asdict(self).items() if (name, value) != LATER}
        return json.dumps(values, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Inverse of :meth:`to_json`; ValueError when a field is unknown, missing or absurd."""
        try:
            raw = json.loads(text)
        except RecursionError:
            raise ValueError("nested too deeply") from None
        known = {field.name for field in fields(cls)}
        if not isinstance(raw, dict) or set(raw) | {LATER[0]} != known:
            raise ValueError(f"expected the fields {sorted(known)}")
        if LATER in raw.items():  # one network would have two identities
            raise ValueError(f"{LATER[0]} must not be given as {LATER[1]}")
        return cls(**raw)


CONFIGS = {
    "tiny": ModelConfig("tiny", 32, 64, 1, 1, 16, 32, 1, hyper_depth=1),
    "base": ModelConfig("base", depth8=6, hyper_depth=1),
    "high": ModelConfig("high", 384, 320, 8, 4, 96, 384, 3, hyper_depth=1),
}
"""The configurations training knows by name; ``tiny`` is for tests of the training itself.

``high`` has the latents of ``base``, so that it can grow from weights of that."""
