"""The codec, loaded when the first file needs it, and the names of shipped weights."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gencodec.cli.failures import AbortError, describe, is_fatal
from gencodec.cli.libraries import use_threads
from gencodec.cli.reporter import Reporter
from gencodec.errors import GencodecError
from gencodec.model.registry import find_weights, list_weights
from gencodec.names import visible

if TYPE_CHECKING:
    from gencodec.codec import Codec


@contextmanager
def loading(model: str | None) -> Iterator[None]:
    """Within: whatever keeps these weights from being loaded becomes an AbortError that says so."""
    try:
        yield
    except BaseException as error:
        if is_fatal(error):
            raise
        subject = f"{visible(model)}: " if model else ""
        raise AbortError(f"{subject}{describe(error, model or '')}") from error


class CodecOnDemand:
    """Loads the codec at the first `get`, so that a file that cannot even be read costs no torch.

    `seconds` is the time that loading took, for those who time a file without it.
    """

    def __init__(self, *, model: str | None, device: str, threads: int | None) -> None:
        self._model = model
        self._device = device
        self._threads = threads
        self._codec: Codec | None = None
        self.seconds = 0.0

    def get(self) -> Codec:
        """The codec. Raises AbortError if it cannot be had: no other file would fare better."""
        if self._codec is None:
            started = time.perf_counter()
            with loading(self._model):
                use_threads(self._threads)
                from gencodec.codec import Codec

                self._codec = Codec.load(self._model, device=self._device)
            self.seconds = time.perf_counter() - started
        return self._codec


def tell_of_coder(reporter: Reporter) -> None:
    """Say, if verbose, that coding takes longer than it has to."""
    if find_spec("constriction") is None:
        reporter.detail("constriction is not installed: symbols are coded in Python, more slowly")


def tunes_of(model: str | None) -> Collection[str]:
    """What these weights make files for without a search; nothing for a file of one's own."""
    try:
        if model is not None:
            return find_weights(model).tunes
        return {tune for entry in list_weights() if entry.default_for for tune in entry.tunes}
    except (GencodecError, OSError):
        return ()  # compressing will say what is wrong with them


def weights_id_of(model: str | None, tune: str) -> bytes | None:
    """The id of the weights that compress uses; None if there are none."""
    try:
        if model is not None and model.endswith(".safetensors"):
            from gencodec.codec import Codec

            return Codec.load(model, device="cpu").weights_id
        return bytes.fromhex(find_weights(model, tune).id_hex)[:4]
    except (GencodecError, OSError):
        return None  # compressing will say what is wrong with them


def weights_name(weights_id: bytes) -> str | None:
    """The name of the shipped weights with this id, or None if it is unknown here."""
    try:
        entries = list_weights()
    except (GencodecError, OSError):
        return None  # a stream can be looked at where no weights are installed
    wanted = weights_id.hex()
    return next((entry.name for entry in entries if entry.id_hex.startswith(wanted)), None)


def weights_label(weights_id: bytes) -> str:
    """'name (id)' for people, or 'unknown (id)'."""
    return f"{weights_name(weights_id) or 'unknown'} ({weights_id.hex()})"
