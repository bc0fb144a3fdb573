"""Names of files, fit to print."""


def visible(name: str) -> str:
    """A file name, or a text with names in it, safe to print: control characters and
    undecodable bytes as escapes.

    A name may hold terminal escape sequences or a line break, and one file is one line.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
