"""Where the shipped weights stand: inside an installed package, or at the top of a checkout."""

from __future__ import annotations

from pathlib import Path

from gencodec.errors import WeightsError

_PACKAGE = Path(__file__).resolve().parent.parent
INSTALLED = _PACKAGE / "_weights"
"""Where a wheel puts the weights; pyproject.toml maps the top-level folder to it."""
CHECKOUT = _PACKAGE.parent / "weights"


def weights_directory() -> Path:
    """The folder that holds the shipped weights and their manifest.

    Raises:
        WeightsError: when the package was installed or copied without them.
    """
    # The package's own copy first: what stands beside an installed package is not ours.
    for folder in (INSTALLED, CHECKOUT):
        if folder.is_dir():
            return folder
    raise WeightsError(f"gencodec's weights are missing: there is no folder {INSTALLED}")
