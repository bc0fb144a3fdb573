"""The inputs of commands that only look: files, standard input once, the streams of folders."""

from __future__ import annotations

import os

from gencodec.cli.failures import UsageError
from gencodec.cli.plan import STREAM_SUFFIX, Refused, find_inputs


def check_stdin_once(inputs: list[str]) -> None:
    """Refuse a second '-': standard input can be read once."""
    if inputs.count("-") > 1:
        raise UsageError("'-' (standard input) given twice")


def in_folders(inputs: list[str], *, recursive: bool) -> tuple[list[str], list[Refused]]:
    """The inputs with the streams of folders in their places, and folders refused."""
    names, refused = [], []
    for name in inputs:
        if name == "-" or not os.path.isdir(name):
            names.append(name)
        else:
            found = find_inputs([name], recursive=recursive, suffixes=frozenset({STREAM_SUFFIX}))
            names += [str(file) for file, _ in found.files]
            refused += found.refused
    return names, refused
