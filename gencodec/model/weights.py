"""Weights as files: one safetensors file holds the config, the network and the coding tables.

A file's identity is the SHA-256 of its content (config text, then every tensor's name, type,
shape and bytes in the order of names), so neither the order in a file nor its name matters, nor
whether it is a plain or a compact one (:mod:`gencodec.model.compact`).
A stream names its weights by the first four bytes.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialise
from torch import Tensor, nn

from gencodec.entropy import ScaleTables
from gencodec.errors import WeightsError

from . import compact
from .config import ModelConfig
from .exact import ExactConv, LearnedExactConv
from .hyperprior import Prior
from .layers import channels_last
from .registry import find_weights_by_id
from .scales import SKIP_BELOW
from .selftest import prior_digest
from .step_tables import LearnedStepTable
from .vae import ImageVae, learned_vae

FORMAT = "gencodec-weights-1"
FLOAT_PARTS = ("g_a.", "h_a.", "g_s.")
TABLES = "tables."
MAX_BYTES = 2**30


@dataclass(frozen=True)
class Weights:
    """A model ready to code: frozen network, coding tables and identity."""

    vae: ImageVae
    tables: ScaleTables
    digest: bytes
    notes: tuple[str, ...] = ()

    @property
    def weights_id(self) -> bytes:
        """The four bytes a stream carries."""
        return self.digest[:4]


def freeze(vae: ImageVae, tables: ScaleTables) -> dict[str, Tensor]:
    """A learned model -> the tensors of its weights file: float16 transforms, integer prior.

    Raises ValueError when the prior cannot be proven exact.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in vae.state_dict().items():
        if name.startswith(FLOAT_PARTS):
            tensors[name] = stored(name, value)
    for name, module in vae.prior.named_modules():
        if isinstance(module, (LearnedExactConv, LearnedStepTable)):
            for part, value in module.frozen().items():
                tensors[f"prior.{name}.{part}"] = value
    for name, array in tables.to_arrays().items():
        tensors[f"{TABLES}{name}"] = torch.from_numpy(array)
    return {name: value.contiguous() for name, value in tensors.items()}


def stored(name: str, value: Tensor) -> Tensor:
    """A tensor of the transforms as files hold it."""
    # Gains are few and span decades; everything else loses nothing visible in half.
    exact = name.endswith("log_gain")
    return value.detach().cpu().to(torch.float32 if exact else torch.float16)


def thaw(weights: Weights) -> ImageVae:
    """Frozen weights -> a learned model to train further; the inverse of :func:`freeze`."""
    vae = learned_vae(weights.vae.config)
    frozen = {name: value.cpu() for name, value in weights.vae.state_dict().items()}
    floats = {name: value for name, value in frozen.items() if name.startswith(FLOAT_PARTS)}
    vae.load_state_dict(floats, strict=False)
    for name, module in vae.prior.named_modules():
        if isinstance(module, (LearnedExactConv, LearnedStepTable)):
            prefix = f"prior.{name}."
            module.thaw({k[len(prefix) :]: v for k, v in frozen.items() if k.startswith(prefix)})
    return vae


def content_digest(config: ModelConfig, tensors: dict[str, Tensor]) -> bytes:
    """SHA-256 of the content, 32 bytes."""
    digest = hashlib.sha256(f"{FORMAT}\n{config.to_json()}\n".encode())
    for name in sorted(tensors):
        array = tensors[name].cpu().numpy()
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.digest()


def pack_weights(config: ModelConfig, tensors: dict[str, Tensor]) -> bytes:
    """The bytes of a weights file; ValueError when the prior's layers are not provably exact."""
    return serialise(tensors, metadata={"format": FORMAT, **_metadata(config, tensors)})


def pack_compact(
    config: ModelConfig,
    tensors: dict[str, Tensor],
    grids: Mapping[str, compact.Grid],
    reference: str | None = None,
) -> bytes:
    """The bytes of a compact weights file, of the tensors moved onto grids.

    reference: the digest, 64 digits, of installed weights without which it cannot be read.
    ValueError as of :func:`pack_weights`, where a grid is too fine, or without those weights.
    """
    before = {} if reference is None else installed(reference)
    deflated = compact.compacted(tensors, grids, before)
    moved = compact.expanded(deflated, before)
    metadata = {
        "format": compact.FORMAT,
        "content": content_digest(config, moved).hex(),
        **_metadata(config, moved),
        **({} if reference is None else {"reference": reference}),
    }
    return serialise({compact.DEFLATED: deflated}, metadata=metadata)


def _metadata(config: ModelConfig, tensors: dict[str, Tensor]) -> dict[str, str]:
    vae = _build(config, tensors)
    prepare(vae.prior)
    return {"config": config.to_json(), "prior_digest": prior_digest(vae.prior)}


@torch.inference_mode(False)  # parameters of that mode would never again take part in a search
def load_weights(path: Path, *, device: torch.device | str = "cpu") -> Weights:
    """Read, prove, place and self-test weights; WeightsError says in one line what is wrong.

    The transforms run in float32 on a CPU and in half precision on a GPU; the prior's layers
    are integers held in float32 everywhere.  A GPU that does not reproduce the prior's recorded
    digest leaves the prior to the CPU, and ``notes`` says so.
    """
    metadata, tensors = read_weights(path)
    try:
        config = ModelConfig.from_json(metadata.get("config", ""))
        vae = _build(config, tensors)
        tables = _tables(tensors)
    except (KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path.name}: {error}") from None
    digest = content_digest(config, tensors)
    if metadata.get("content", digest.hex()) != digest.hex():
        raise WeightsError(f"{path.name}: its numbers do not come out as they went in")
    _place(vae, torch.device(device))
    notes = []
    exact = prior_digest(vae.prior) == metadata.get("prior_digest")
    if not exact and torch.device(device).type != "cpu":
        notes.append(f"{device} does not compute the prior exactly; the CPU does it instead")
        prepare(vae.prior.to("cpu"))
        exact = prior_digest(vae.prior) == metadata.get("prior_digest")
    if not exact:
        raise WeightsError(f"{path.name}: this machine does not reproduce the prior's digest")
    return Weights(vae, tables, digest, tuple(notes))


def prepare(prior: Prior) -> None:
    """Ready every exact layer for the device it is on."""
    for module in prior.modules():
        if isinstance(module, ExactConv):
            module.prepare()


def _build(config: ModelConfig, tensors: dict[str, Tensor]) -> ImageVae:
    """A frozen model from the tensors of a file; ValueError unless they fit and are exact."""
    network = {name: value for name, value in tensors.items() if not name.startswith(TABLES)}
    # A config of a few bytes may ask for gigabytes: shapes first, and no memory but that of the
    # tensors.  Nor are weights drawn that these replace: the caller's random numbers stay in step.
    with torch.device("meta"):
        vae = ImageVae(config)
    wrong = mismatch(vae.state_dict(), network)
    if wrong:
        raise ValueError(wrong)
    vae.load_state_dict(network, assign=True)
    vae.float()
    for name, module in vae.prior.named_modules():
        if isinstance(module, ExactConv):
            try:
                module.prove()
            except ValueError as error:
                raise ValueError(f"prior.{name} is not exact: {error}") from None
    return vae.requires_grad_(False).eval()


def read_weights(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a plain or a compact weights file; WeightsError when it is none.

    Of a compact one these are the tensors that it stands for.
    """
    metadata, tensors = read_tensors(path, FORMAT, compact.FORMAT)
    try:
        reference = installed(metadata["reference"]) if "reference" in metadata else {}
        return metadata, _stood_for(metadata, tensors, reference)
    except ValueError as error:
        raise WeightsError(f"{path.name}: {error}") from None


def _stood_for(
    metadata: dict[str, str], tensors: dict[str, Tensor], reference: dict[str, Tensor]
) -> dict[str, Tensor]:
    if metadata["format"] == FORMAT:
        return tensors
    if set(tensors) != {compact.DEFLATED}:
        raise ValueError(f"{len(tensors)} tensors where '{compact.DEFLATED}' alone belongs")
    return compact.expanded(tensors[compact.DEFLATED], reference)


def installed(digest: str) -> dict[str, Tensor]:
    """The tensors of the installed weights of this digest, which others may be told against.

    ValueError when there are none, or when they are themselves told against others: two files are
    enough to ask for.
    """
    metadata, tensors = read_tensors(_place_of(digest), FORMAT, compact.FORMAT)
    if "reference" in metadata:
        raise ValueError(f"it needs the weights {digest[:8]}, which need others themselves")
    return _stood_for(metadata, tensors, {})


def files_of(path: Path) -> tuple[Path, ...]:
    """A weights file, and the installed one without which it cannot be read, if there is such.

    WeightsError when one of them is missing, or is none.
    """
    metadata, _ = read_tensors(path, FORMAT, compact.FORMAT)
    try:
        return (path, _place_of(metadata["reference"])) if "reference" in metadata else (path,)
    except ValueError as error:
        raise WeightsError(f"{path.name}: {error}") from None


def _place_of(digest: str) -> Path:
    """The file of the installed weights of this digest, 64 digits; ValueError without them."""
    try:
        entry = find_weights_by_id(bytes.fromhex(digest)[:4])
    except WeightsError:
        entry = None
    if entry is None or entry.id_hex != digest:
        raise ValueError(f"it needs the weights {digest[:8]}, which are not installed here")
    return entry.path


def read_tensors(path: Path, *formats: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file of one of these formats; WeightsError when it is none."""
    try:
        with open(path, "rb") as file:  # safe_open says of every failure that nothing is there
            if os.fstat(file.fileno()).st_size > MAX_BYTES:
                raise WeightsError(f"{path.name}: larger than {MAX_BYTES} bytes")
        # Not "pt": there torch runs code of Python, and takes an interruption in it for a tensor
        # without a shape.  What was to end the process is gone.
        with safe_open(path, framework="numpy") as handle:
            metadata = handle.metadata() or {}
            if metadata.get("format") not in formats:
                kind = formats[0].split("-")[1]
                raise WeightsError(f"{path.name}: not a gencodec {kind} file")
            # Copies: they may be parts of the file, which may be written anew or cut.
            names = handle.keys()
            return metadata, {n: torch.from_numpy(handle.get_tensor(n)).clone() for n in names}
    except FileNotFoundError:
        raise WeightsError(f"{path}: no such weights file") from None
    except (IsADirectoryError, PermissionError) as error:  # Windows permits no folder to be opened
        what = "is a folder" if path.is_dir() else error.strerror
        raise WeightsError(f"{path}: {what}") from None
    # AttributeError: of a type that numpy lacks.
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WeightsError(f"{path.name}: not readable as weights: {reason}") from None


def _tables(tensors: dict[str, Tensor]) -> ScaleTables:
    named = {TABLES + name: name for name in ScaleTables.ARRAYS}
    unknown = {name for name in tensors if name.startswith(TABLES)} - named.keys()
    if unknown:
        raise ValueError(f"unknown tables: {', '.join(sorted(unknown))}")
    arrays = {name: tensors[key].numpy() for key, name in named.items() if key in tensors}
    tables = ScaleTables.from_arrays(arrays)
    if tables.skip_below != SKIP_BELOW:
        raise ValueError(f"skip_below is {tables.skip_below}, this gencodec needs {SKIP_BELOW}")
    return tables


def mismatch(expected: dict[str, Tensor], found: dict[str, Tensor]) -> str | None:
    """What is wrong with the tensors found; None if nothing is."""
    if set(expected) != set(found):
        return f"{len(set(expected) ^ set(found))} tensors missing or unknown"
    for name, value in expected.items():
        if found[name].shape != value.shape:
            return f"{name} has shape {tuple(found[name].shape)}, not {tuple(value.shape)}"
        if name.startswith("prior.") and found[name].dtype != value.dtype:
            return f"{name} has type {found[name].dtype}, not {value.dtype}"
        if name.startswith(FLOAT_PARTS):
            if found[name].dtype not in (torch.float16, torch.float32):
                return f"{name} has type {found[name].dtype}, not float16 or float32"
            # Both bounds are nan where anything is; isfinite takes ten times as long.
            if not all(math.isfinite(bound) for bound in torch.aminmax(found[name])):
                return f"{name} has values that are no finite numbers"
    return None


def _place(vae: ImageVae, device: torch.device) -> None:
    vae.to(device)
    channels_last(vae)
    for part in (vae.g_a, vae.h_a, vae.g_s):
        halve(part)
    prepare(vae.prior)


def halve(part: nn.Module) -> None:
    """Half precision for the weights of a transform that is on a GPU, gains aside."""
    for name, parameter in part.named_parameters():
        half = torch.float16 if parameter.device.type == "cuda" else torch.float32
        parameter.data = parameter.data.to(torch.float32 if name.endswith("log_gain") else half)
