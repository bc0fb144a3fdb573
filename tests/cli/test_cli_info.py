"""info and verify on containers packed without a model: text, JSON, damage, pipes, odd names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gencodec.bitstream import pack, unpack
from gencodec.cli import main

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
OneError = Callable[..., str]
MakeStream = Callable[..., bytes]


def test_text(run: Run, tmp_path: Path, make_stream: MakeStream) -> None:
    stream = make_stream(width=33, height=17)
    (tmp_path / "a.gnc").write_bytes(stream)
    result = run("info", "a.gnc")
    assert (result.returncode, result.stderr) == (0, b"")
    text = result.stdout.decode()
    for words in ("33 x 17", "RGB", "deadbeef", f"{len(stream)} bytes", "LATENTS", "checks    ok"):
        assert words in text
    assert f"{8 * len(stream) / (33 * 17):.3f} bpp" in text


def test_json_is_one_object_a_line(run: Run, tmp_path: Path, make_stream: MakeStream) -> None:
    streams = {"a.gnc": make_stream(), "b.gnc": make_stream(width=300, latents=b"\x01" * 9)}
    for name, stream in streams.items():
        (tmp_path / name).write_bytes(stream)
    result = run("info", "--json", *streams)
    assert (result.returncode, result.stderr) == (0, b"")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["input"] for record in records] == list(streams)
    second = records[1]
    assert second["ok"] is True
    assert second["command"] == "info"
    assert second["width"] == 300
    assert second["file_bytes"] == len(streams["b.gnc"])
    assert second["weights_id"] == "deadbeef"
    assert second["sections"][0]["name"] == "LATENTS"
    assert second["sections"][0]["bytes"] == 9
    assert second["bpp"] == pytest.approx(8 * len(streams["b.gnc"]) / (300 * 17))


def test_wildcards_on_windows(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    make_stream: MakeStream,
) -> None:
    """Its shells leave them to programs; elsewhere they are letters of a name."""
    (tmp_path / "mine [1]").mkdir()
    for name in ("a.gnc", "b.gnc", "mine [1]/c.gnc"):
        (tmp_path / name).write_bytes(make_stream())
    monkeypatch.chdir(tmp_path)
    inside = Path("mine [1]")
    names = ["?.gnc", str(inside / "*.gnc"), "a.gnc", "none*"]
    monkeypatch.setattr(sys, "platform", "win32")
    assert main(["info", "--json", *names]) == 1
    records = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [record["input"] for record in records] == [
        "a.gnc",
        "b.gnc",
        str(inside / "c.gnc"),
        "a.gnc",
        "none*",
    ]
    assert [record["ok"] for record in records] == [True, True, True, True, False]
    monkeypatch.setattr(sys, "platform", "linux")
    assert main(["info", *names[:2]]) == 1
    assert len(capfd.readouterr().err.splitlines()) == 2


def test_from_a_pipe(run: Run, make_stream: MakeStream) -> None:
    result = run("info", "-", stdin=make_stream())
    assert result.returncode == 0
    assert result.stdout.startswith(b"-: gencodec stream")


def test_one_bad_file_among_good_ones(run: Run, tmp_path: Path, make_stream: MakeStream) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream())
    (tmp_path / "b.gnc").write_bytes(b"\x89PNG\r\n\x1a\n and so on")
    result = run("info", "a.gnc", "b.gnc", "c.gnc", "a.gnc", "--json")
    assert result.returncode == 1
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["ok"] for record in records] == [True, False, False, True]
    assert records[1]["error_type"] == "NotGencodecError"
    assert records[2]["error_type"] == "FileNotFoundError"
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("gencodec: b.gnc: ")
    assert lines[1].startswith("gencodec: c.gnc: no such file")


def test_a_damaged_file_is_shown_and_failed(
    run: Run, tmp_path: Path, make_stream: MakeStream
) -> None:
    stream = bytearray(make_stream())
    stream[-10] ^= 1
    (tmp_path / "a.gnc").write_bytes(stream)
    result = run("info", "a.gnc")
    assert result.returncode == 1
    assert b"33 x 17" in result.stdout
    assert b"damaged" in result.stdout
    assert len(result.stderr.splitlines()) == 1
    record = json.loads(run("info", "--json", "a.gnc").stdout)
    assert record["ok"] is False
    assert record["width"] == 33
    assert "damaged" in record["error"]


def test_a_cut_file_says_how_much_is_missing(
    run: Run, tmp_path: Path, make_stream: MakeStream
) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream(latents=bytes(100))[:60])
    result = run("info", "a.gnc")
    assert result.returncode == 1
    assert b"missing" in result.stdout


@pytest.mark.parametrize("command", ["info", "verify", "decompress"])
@pytest.mark.parametrize("content", [b"", b"\x97GNC", b"hello", bytes(1000)], ids=repr)
def test_what_is_no_stream_gives_one_line(
    run: Run, one_error: OneError, tmp_path: Path, command: str, content: bytes
) -> None:
    (tmp_path / "a.gnc").write_bytes(content[:40])
    one_error(run(command, "a.gnc"), 1, "gencodec: a.gnc: ")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize("command", ["verify", "decompress"])
def test_damage_is_told_without_torch(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    make_stream: MakeStream,
    command: str,
) -> None:
    stream = bytearray(make_stream())
    stream[-10] ^= 1
    (tmp_path / "a.gnc").write_bytes(stream)
    (tmp_path / "cut.gnc").write_bytes(make_stream()[:-7])
    (tmp_path / "large.gnc").write_bytes(make_stream(width=9000, height=9000))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "gencodec.codec", None)  # importing it would fail
    assert main([command, "a.gnc", "cut.gnc", "large.gnc"]) == 1
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 3
    assert "damaged" in lines[0]
    assert "cut" in lines[1]
    assert "the limit is 64000000" in lines[2]


def test_a_folder_is_no_stream(run: Run, one_error: OneError, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    one_error(run("info", "d"), 1, "gencodec: d: is a folder (use -r)")


@pytest.mark.skipif(os.name != "posix" or not hasattr(os, "geteuid"), reason="needs permissions")
def test_no_permission(run: Run, one_error: OneError, tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (tmp_path / "a.gnc").write_bytes(b"")
    (tmp_path / "a.gnc").chmod(0)
    one_error(run("info", "a.gnc"), 1, "permission denied")


@pytest.mark.skipif(os.name == "nt", reason="Windows allows no such names")
def test_file_names_cannot_drive_the_terminal(
    run: Run, tmp_path: Path, make_stream: MakeStream
) -> None:
    name = "a\x1b[31m\n.gnc"
    (tmp_path / name).write_bytes(make_stream())
    result = run("info", name)
    assert result.returncode == 0
    assert b"\x1b" not in result.stdout
    assert b"a\\x1b[31m\\n.gnc: gencodec" in result.stdout
    assert json.loads(run("info", "--json", name).stdout)["input"] == name


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow no such names")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_undecodable_file_names(
    run: Run, tmp_path: Path, make_stream: MakeStream, locale: str
) -> None:
    name = os.fsdecode(b"caf\xe9.gnc")
    (tmp_path / name).write_bytes(make_stream())
    env = {"LC_ALL": locale}
    result = run("info", name, env=env)
    assert result.returncode == 0, result.stderr
    record = json.loads(run("info", "--json", name, env=env).stdout)
    assert os.fsencode(record["input"]) == b"caf\xe9.gnc"
    missing = run("info", name + "x", env=env)
    assert missing.returncode == 1
    assert b"no such file" in missing.stderr


def test_weights_nobody_ships_are_unknown(
    run: Run, tmp_path: Path, make_stream: MakeStream
) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream())
    assert b"unknown (deadbeef)" in run("info", "a.gnc").stdout
    assert json.loads(run("info", "--json", "a.gnc").stdout)["weights"] is None


def test_the_container_of_these_tests_is_sound(make_stream: MakeStream) -> None:
    assert pack(unpack(make_stream())) == make_stream()


@pytest.mark.parametrize("command", ["verify", "decompress", "thumbnail"])
def test_a_long_section_is_refused_before_it_is_read(
    tmp_path: Path,
    command: str,
    capfd: pytest.CaptureFixture[str],
    make_stream: Callable[..., bytes],
) -> None:
    (tmp_path / "a.gnc").write_bytes(make_stream(latents=bytes(400)))
    arguments = [command, "--max-section-bytes", "399", str(tmp_path / "a.gnc")]
    assert main([*arguments, *(["x.png"] if command == "thumbnail" else [])]) == 1
    assert "section LATENTS has 400 bytes, the limit is 399" in capfd.readouterr().err
