"""The process as a neighbour: pipes that close, full disks, interruption, unexpected failures."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import platform
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gencodec.cli import main, streams
from gencodec.cli.libraries import wait_briefly
from gencodec.entropy import ans
from gencodec.errors import GencodecError

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
OneError = Callable[..., str]
MakeStream = Callable[..., bytes]
Photo = Callable[..., np.ndarray]
CHECKOUT = Path(__file__).resolve().parents[2]

posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX pipes and signals")


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Run a line of bash, with `gnc` for the command line, and every exit code of a pipe."""
    line = f'set -o pipefail; gnc() {{ "{sys.executable}" -m gencodec "$@"; }}; {command}'
    return subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        timeout=120,
    )


@posix
def test_a_reader_that_goes_away(tmp_path: Path, make_stream: MakeStream) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream())
    names = " a.gnc" * 3000
    result = shell(f"gnc info{names} | head -n 1", tmp_path)
    assert result.returncode == 141
    assert result.stderr == b""
    assert len(result.stdout.splitlines()) == 1


def test_a_reader_that_goes_away_on_windows(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "stdout", Gone())
    assert main(["--version"]) == 141
    assert capfd.readouterr().err == ""


def test_a_name_that_the_system_has_no_file_for(
    here: Run, one_error: OneError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows may say of CON.png."""

    realpath = os.path.realpath

    def no_handle(path: Path) -> str:
        if path.name == "CON.png":
            raise OSError(errno.EBADF, "Invalid handle", str(path))
        return realpath(path)

    (tmp_path / "a.gnc").write_bytes(b"")
    monkeypatch.setattr(os.path, "realpath", no_handle)
    one_error(here("decompress", "a.gnc", "-o", "CON.png"), 1, "gencodec: CON.png: invalid handle")


def test_where_there_is_no_constriction(
    here: Run,
    make_photo: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_photo(tmp_path / "photo.png")
    assert here("compress", "photo.png").returncode == 0
    made = (tmp_path / "photo.gnc").read_bytes()
    monkeypatch.setitem(sys.modules, "constriction", None)
    ans._library.cache_clear()
    try:
        for words in (["compress", "-f", "photo.png"], ["verify", "photo.gnc"]):
            result = here(*words, "-v")
            assert result.returncode == 0
            assert b"constriction is not installed: symbols are coded in Python" in result.stderr
        assert (tmp_path / "photo.gnc").read_bytes() == made
    finally:
        ans._library.cache_clear()


@posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("args", ["info a.gnc", "--help", "compress --help", "info --json a.gnc"])
def test_stdout_on_a_full_disk(tmp_path: Path, make_stream: MakeStream, args: str) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream())
    result = shell(f"gnc {args} > /dev/full", tmp_path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert b"no space left" in result.stderr


@posix
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_stderr_on_a_full_disk(tmp_path: Path, make_stream: MakeStream) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream())
    result = shell("gnc info --json missing.gnc a.gnc 2> /dev/full", tmp_path)
    assert result.returncode == 1
    assert [b'"ok": true' in line for line in result.stdout.splitlines()] == [False, True]


@pytest.mark.parametrize("command", ["compress", "explain"])
def test_a_standard_input_without_an_end(
    command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
            self.given += len(buffer)
            assert self.given < 2**26
            return len(buffer)

    monkeypatch.setattr(streams, "STREAM_BYTES_MAX", 2**22)
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BufferedReader(Endless()), encoding="utf-8")
    )
    assert main([command, "--max-pixels", "1000", "-", "-o", os.devnull, "-f"]) == 1
    assert "-: longer than 4194304 bytes\n" in capfd.readouterr().err


@posix
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams(tmp_path: Path, make_stream: MakeStream, closed: str) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream())
    assert shell(f"gnc info a.gnc {closed}", tmp_path).returncode == 0
    assert shell(f"gnc info missing.gnc {closed}", tmp_path).returncode == 1
    result = shell(f"gnc info - {closed}", tmp_path)
    assert result.returncode == 1
    assert b"Traceback" not in result.stderr


class Panic(BaseException):
    """As pyo3's PanicException: not an Exception, and yet one file's failure."""


class OutOfMemoryError(RuntimeError):
    """As torch's for a GPU, which is known by its name."""


FAILURES = {
    "gencodec": (GencodecError("the picture is\nno good"), "a.png: the picture is no good"),
    "memory": (MemoryError(), "a.png: not enough memory"),
    "torch memory": (RuntimeError("alloc: can't allocate memory"), "a.png: not enough memory\n"),
    "device memory": (OutOfMemoryError("CUDA"), "a.png: not enough memory on the device (try"),
    "no space": (OSError(28, "No space left on device"), "a.png: no space left on device"),
    "defect": (ZeroDivisionError("division by zero"), "unexpected ZeroDivisionError"),
    "silent defect": (AssertionError(), "unexpected AssertionError (a defect"),
    "panic": (Panic("std must be\npositive"), "unexpected Panic: std must be positive"),
    "recursion": (RecursionError("maximum depth"), "unexpected RecursionError"),
    "broken package": (
        ImportError("libtorch_cpu.so: cannot open shared object file", name="_C"),
        "a Python package that is needed does not load: libtorch_cpu.so: cannot",
    ),
    "part of another release": (
        ImportError("cannot import name 'x'", name="gencodec.codec"),
        "this installation of gencodec is not whole: cannot import name 'x'",
    ),
    "missing part": (
        ModuleNotFoundError("No module named 'gencodec.cli.info'", name="gencodec.cli.info"),
        "this installation of gencodec is not whole: No module named 'gencodec.cli.info'",
    ),
    "missing package": (ModuleNotFoundError("No module", name="torch.nn"), "package 'torch'"),
}


@pytest.mark.parametrize("name", list(FAILURES))
def test_any_failure_is_one_line_and_the_next_file_goes_on(
    name: str,
    stub: object,
    tmp_path: Path,
    make_photo: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    error, words = FAILURES[name]
    stub.fail = error  # type: ignore[attr-defined]
    for photo in ("a.png", "b.png"):
        make_photo(tmp_path / photo)
    assert main(["compress", "a.png", "b.png"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 2
    assert words in err
    assert "Traceback" not in err
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


def test_the_traceback_is_there_on_request(
    stub: object,
    tmp_path: Path,
    make_photo: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    stub.fail = ZeroDivisionError("division by zero")  # type: ignore[attr-defined]
    make_photo(tmp_path / "a.png")
    assert main(["compress", "a.png"]) == 1
    assert "GENCODEC_TRACEBACK=1" in capfd.readouterr().err
    monkeypatch.setenv("GENCODEC_TRACEBACK", "1")
    assert main(["compress", "a.png"]) == 1
    assert "Traceback (most recent call last)" in capfd.readouterr().err


def test_interruption_ends_at_once(
    stub: object,
    tmp_path: Path,
    make_photo: Callable[..., Path],
    capfd: pytest.CaptureFixture[str],
) -> None:
    stub.fail = KeyboardInterrupt()  # type: ignore[attr-defined]
    for photo in ("a.png", "b.png"):
        make_photo(tmp_path / photo)
    assert main(["compress", "a.png", "b.png"]) == 130
    assert capfd.readouterr().err == "gencodec: interrupted\n"
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


@posix
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_signals_leave_no_partial_file(tmp_path: Path, name: str, code: int) -> None:
    """A writer that is interrupted half-way through its bytes leaves neither file nor rest."""
    script = (
        "import os, sys, time, types\n"
        "from pathlib import Path\n"
        "from gencodec.cli import main, streams\n"
        "from gencodec.cli.main import COMMANDS, Command\n"
        "def run(args):\n"
        "    streams.write_target(Path('out.gnc'), b'half', force=False)\n"
        "def sync(handle):\n"
        "    print('half', flush=True)\n"
        "    time.sleep(60)\n"
        "os.fsync = sync\n"
        "slow = types.ModuleType('slow')\n"
        "slow.register = lambda parser: None\n"
        "slow.run = run\n"
        "sys.modules['slow'] = slow\n"
        "COMMANDS['slow'] = Command('slow', 'for a test')\n"
        "sys.argv = ['gencodec', 'slow']\n"
        "raise SystemExit(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        # Tests that a shell runs in the background ignore SIGINT, and so would this; after nohup
        # they ignore SIGHUP.
        preexec_fn=partial(signal.signal, signal.Signals[name], signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        assert len(os.listdir(tmp_path)) <= 1  # the partial file, under another name or without one
        assert not (tmp_path / "out.gnc").exists()
        time.sleep(0.05)
        process.send_signal(signal.Signals[name])
        _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert b"Traceback" not in err
    assert os.listdir(tmp_path) == []


def on_a_terminal(folder: Path, checkout: Path, *arguments: str) -> tuple[int, bytes]:
    """Exit code and what stands on the terminal that stderr is."""
    pty = pytest.importorskip("pty", reason="needs POSIX terminals")
    fcntl = pytest.importorskip("fcntl")
    termios = pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    code = subprocess.run(
        [sys.executable, "-m", "gencodec", *arguments],
        stdin=subprocess.DEVNULL,
        stderr=theirs,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        timeout=60,
    ).returncode
    os.close(theirs)
    screen = b""
    with contextlib.suppress(OSError):  # Linux says EIO where there is nothing left to read
        while chunk := os.read(ours, 4096):
            screen += chunk
    os.close(ours)
    return code, screen


@pytest.mark.parametrize(
    ("files", "flags", "shown"), [(2, [], True), (1, [], False), (2, ["--quiet"], False)]
)
def test_a_progress_bar_for_several_files_on_a_terminal(
    tmp_path: Path, checkout: Path, files: int, flags: list[str], shown: bool
) -> None:
    (tmp_path / "bad.gnc").write_bytes(b"no stream")
    code, screen = on_a_terminal(tmp_path, checkout, "verify", *["bad.gnc"] * files, *flags)
    assert code == 1
    assert screen.count(b"gencodec: bad.gnc: this is not a gencodec file") == files
    assert (f"/{files}".encode() in screen) is shown


@pytest.mark.parametrize(("flags", "shown"), [((), True), (("--quiet",), False)])
def test_a_progress_bar_for_an_effort_on_a_terminal(
    tmp_path: Path, checkout: Path, photo: Photo, flags: tuple[str, ...], shown: bool
) -> None:
    Image.fromarray(photo(120, 60)).save(tmp_path / "a.png")
    how = ("--effort", "2", "--tile", "64", "--threads", "1", *flags)
    code, screen = on_a_terminal(tmp_path, checkout, "compress", "a.png", *how)
    assert code == 0 and (tmp_path / "a.gnc").exists()
    assert (b"%|" in screen) is shown and (b" left" in screen) is shown
    assert (b"a.png -> a.gnc: " in screen) is shown


def test_no_progress_bar_elsewhere(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.gnc").write_bytes(b"no stream")
    result = run("verify", "bad.gnc", "bad.gnc")
    assert b"\r" not in result.stderr.replace(os.linesep.encode(), b"\n")
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="PyTorch brings libgomp on Linux")
def test_threads_wait_briefly(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As libgomp itself says that it was told."""
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    golden = CHECKOUT / "tests" / "vectors" / "golden" / "base" / "photo.gnc"
    result = run("decompress", golden, "-o", "a.png", env={"OMP_DISPLAY_ENV": "VERBOSE"})
    assert result.returncode == 0, result.stderr
    if b"GOMP_" not in result.stderr:
        pytest.skip("PyTorch is here with an OpenMP that is not libgomp")
    assert b"GOMP_SPINCOUNT = '5000'" in result.stderr


@pytest.mark.parametrize(
    ("chosen", "count"), [({"OMP_WAIT_POLICY": "PASSIVE"}, None), ({"GOMP_SPINCOUNT": "77"}, "77")]
)
def test_threads_wait_as_they_are_told(
    monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], count: str | None
) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in chosen.items():
        monkeypatch.setenv(name, value)
    wait_briefly()
    assert os.environ.get("GOMP_SPINCOUNT") == count


MAPPINGS_FOR_A_TENSOR = """
import ctypes, sys
from gencodec.cli import main
sys.argv[1:] = ["--version"]
assert main() == 0
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
class Mallinfo(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_int) for name in names.split()]
libc.mallinfo.restype = Mallinfo
before = libc.mallinfo().hblks
assert libc.malloc(ctypes.c_size_t(2**26))
print(libc.mallinfo().hblks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
@pytest.mark.parametrize(
    ("chosen", "mappings"),
    [
        ({}, b"0"),
        ({"MALLOC_MMAP_THRESHOLD_": "1000000"}, b"1"),
        ({"GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1000000"}, b"1"),
    ],
)
def test_memory_for_tensors_is_kept_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, str], mappings: bytes
) -> None:
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    result = subprocess.run(
        [sys.executable, "-c", MAPPINGS_FOR_A_TENSOR],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **chosen},
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split()[-1] == mappings


COLLECTING = """
import atexit, gc, sys
from gencodec.cli import main
before = gc.get_threshold()[0]
frozen = gc.get_freeze_count()  # Python 3.12 begins with some
atexit.register(lambda: print(gc.get_freeze_count() > frozen))  # called last: registered first
if "--triton" in sys.argv:
    sys.modules["triton"] = sys
main(["--version"])
print(gc.get_threshold()[0] > before)
if "--theirs" not in sys.argv:
    sys.argv[1:] = ["--version"]
    main()
    print(gc.get_threshold()[0] > before)
"""


def test_garbage_is_looked_for_rarely_where_the_process_is_ours(tmp_path: Path) -> None:
    """And what is there at the end not at all; called by a program of others it is as they like.

    Where Triton is there, it wants to be looked through at the end.
    """
    for how, said in (
        ("", "False True True"),
        ("--theirs", "False False"),
        ("--triton", "False True False"),
    ):
        result = subprocess.run(
            [sys.executable, "-c", COLLECTING, how],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            timeout=60,
        )
        assert result.returncode == 0, result.stderr
        words = [word for word in result.stdout.split() if word in ("True", "False")]
        assert " ".join(words) == said
