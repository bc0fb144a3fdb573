"""Asking a run to end, and insisting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

CHECKOUT = Path(__file__).resolve().parents[2]

SEND_AND_TELL = """
import signal, sys
from gencodec.train.stop import Stop
stop = Stop(print)
ignored = sys.argv[1] == "nohup"
signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
with stop.on_signals():
    for name in sys.argv[2:]:
        signal.raise_signal(signal.Signals[name])
        print(name, stop.signal, flush=True)
"""

STOPPING = "stopping with a checkpoint; ask once more to stop at once"


def sent(*arguments: str) -> tuple[int, list[str]]:
    process = subprocess.run(
        [sys.executable, "-c", SEND_AND_TELL, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
    )
    return process.returncode, process.stdout.splitlines()


def test_the_second_time_is_at_once() -> None:
    assert sent("", "SIGINT", "SIGTERM", "SIGINT") == (143, [STOPPING, "SIGINT 2"])


def test_a_closing_terminal_never_insists() -> None:
    """Its shell and it send a signal each, and the session's end may bring another."""
    names = ["SIGHUP", "SIGHUP", "SIGTERM", "SIGHUP"]
    said = [STOPPING, *(f"{name} {signal.SIGHUP}" for name in names)]
    assert sent("", *names) == (0, said)
    assert sent("", *names, "SIGTERM") == (143, said)
    assert sent("nohup", "SIGHUP") == (0, ["SIGHUP None"])
