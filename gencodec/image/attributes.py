"""What a person's programs keep beside a file's bytes: tags, ratings, comments, where it came from.

Linux has extended attributes for it; those of the name space "user" belong to the owner of the file
(xattr(7)), and desktops put there what their file managers show: user.xdg.tags, user.baloo.rating.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping

_OF_USERS, _ACCESS_LIST = "user.", "system.posix_acl_access"


def user_attributes(path: str | os.PathLike[str]) -> dict[str, bytes]:
    """Names and values; none where the system, the file system or Python (on macOS) has none."""
    found: dict[str, bytes] = {}
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            for name in os.listxattr(path):
                if name.startswith(_OF_USERS):
                    found[name] = os.getxattr(path, name)
    return found


def give_attributes(path: str | os.PathLike[str], attributes: Mapping[str, bytes]) -> None:
    """Give a file these, as far as its file system takes them."""
    if sys.platform == "linux":
        for name, value in attributes.items():
            with contextlib.suppress(OSError):
                os.setxattr(path, name, value)


def has_access_list(path: str | os.PathLike[str]) -> bool:
    """Whether a list says who may do what with a file (acl(5)): what its mode says of the group is
    then the most that anybody on the list may."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return _ACCESS_LIST in os.listxattr(path)
    return False
