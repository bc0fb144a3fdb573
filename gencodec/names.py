"""Names of files, fit to print."""


def visible(name: str) -> str:
    """A file name, or a text with names in it, safe to print: control characters and
    undecodable bytes as escapes.

    A name may hold terminal escape sequences or a line break, and one file is one line.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)


def of_macos(name: str) -> bool:
    """Whether a file, named without its folders, holds no more than macOS has to say of another.

    It puts them beside their files in archives and on drives that have no place for it, under the
    same name after these two letters, suffix and all.
    """
    return name.startswith("._")
