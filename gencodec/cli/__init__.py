"""The command line: files in, files out, one line a file, and never a traceback.

    argv -> main -> one command (compress, decompress, info, verify, models, ...)
                       |
                       plan      inputs -> jobs: who becomes what, decided before any work
                       streams   files, pipes and terminals as bytes
                       libraries what torch and the allocator are told before they load
                       reporter  words on stderr, JSON lines on stdout, the exit code

A command is a module with `register(parser)` and `run(args) -> int`, named in the table
`gencodec.cli.main.COMMANDS`. Only the module of the command that was asked for is imported,
and commands import the codec (and with it torch) only once there is a picture to code.
"""

from gencodec.cli.main import main

__all__ = ["main"]
