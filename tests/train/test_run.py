"""A whole training run: folders of pictures in, a proven and measured weights file out."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gencodec.codec import Codec
from gencodec.errors import ImageError, OutputError, WeightsError
from gencodec.model.encoders import with_encoder
from gencodec.model.registry import MANIFEST
from gencodec.model.vae import ImageVae
from gencodec.model.weights import load_weights, thaw
from gencodec.train import product, stopwatch
from gencodec.train import run as run_module
from gencodec.train.__main__ import main
from gencodec.train.checkpoint import CHECKPOINT
from gencodec.train.export import fit_weights
from gencodec.train.folder import own_folder
from gencodec.train.gallery import PICTURES
from gencodec.train.notes import NOTE, RunNote, note_run, read_note
from gencodec.train.plan import TrainingPlan
from gencodec.train.product import CURVE, ENCODER, WEIGHTS
from gencodec.train.run import evaluation_crops, run_training
from gencodec.train.ship import listed, read_pictures
from gencodec.train.stop import Stop
from tests.train.runs import Clock

Photo = Callable[..., np.ndarray]
CPU = torch.device("cpu")
PLAN = TrainingPlan(minutes=3 / 60, crops=2, crop_side=64, final_crop_side=64)
FEW_CROPS = 16

pytestmark = pytest.mark.usefixtures("clock")


@dataclass(frozen=True)
class Example:
    """A run of PLAN that has come to its end: not to be changed."""

    pictures: Path
    folder: Path
    said: list[str]


@pytest.fixture(scope="module")
def example(photo: Photo, tmp_path_factory: pytest.TempPathFactory) -> Example:
    """A run on a folder of three pictures and one that is broken."""
    folder = tmp_path_factory.mktemp("example")
    pictures = folder / "pictures"
    pictures.mkdir()
    for number in range(3):
        Image.fromarray(photo(96, 112, number)).save(pictures / f"{number}.png")
    (pictures / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(run_module, "START_CROPS", FEW_CROPS)
        monkeypatch.setattr(stopwatch, "time", Clock())
        said = run(pictures, folder / "run")
    return Example(pictures, folder / "run", said)


@pytest.fixture
def pictures(example: Example, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example's pictures, in a folder of this test's own."""
    monkeypatch.setattr(run_module, "START_CROPS", FEW_CROPS)
    return Path(shutil.copytree(example.pictures, tmp_path / "pictures"))


@pytest.fixture
def finished(example: Example, pictures: Path, tmp_path: Path) -> Path:
    """What `run(pictures, tmp_path / "run")` would leave, in a folder of this test's own."""
    return Path(shutil.copytree(example.folder, tmp_path / "run"))


def run(pictures: Path, folder: Path, plan: TrainingPlan = PLAN, **options: Any) -> list[str]:
    """Train, and return what was said."""
    said: list[str] = []
    options = {"config": "tiny", **options}
    run_training([pictures], folder, plan, device=CPU, say=said.append, **options)
    return said


def test_pictures_in_weights_out(example: Example, photo: Photo) -> None:
    assert any("broken.png" in line for line in example.said)
    codec = Codec.load(example.folder / WEIGHTS, device="cpu")
    pixels = photo(50, 70, 9)
    assert codec.decompress(codec.compress(pixels)).shape == pixels.shape
    curve = json.loads((example.folder / CURVE).read_text(encoding="utf-8"))
    assert curve["content_sha256"].startswith(codec.weights_id.hex())
    assert len(curve["bpp"]) == len(curve["psnr"]) == len(curve["ms_ssim"]) == 5


@pytest.mark.parametrize("side", [10, 20])
def test_a_picture_of_a_few_pixels_changes_nothing(
    example: Example, pictures: Path, photo: Photo, tmp_path: Path, side: int
) -> None:
    """Not the start, that it made singular or one of tiny crops; nor what is held out."""
    Image.fromarray(photo(side, side)).save(pictures / "icon.png")
    said = run(pictures, tmp_path / "with")
    assert any("1 of 3 pictures are too small" in line for line in said)
    curves = [
        json.loads((folder / CURVE).read_text(encoding="utf-8"))["psnr"]
        for folder in (example.folder, tmp_path / "with")
    ]
    assert np.mean(curves[1]) > np.mean(curves[0]) - 0.5


def test_what_is_measured_is_what_most_pictures_hold(photo: Photo) -> None:
    pictures = [photo(384, 400, seed) for seed in range(4)]
    large = photo(520, 530)
    assert [crop.shape[0] for crop in evaluation_crops([*pictures, large])] == [384] * 5
    assert [crop.shape[0] for crop in evaluation_crops([large, large, pictures[0]])] == [512] * 2
    assert len(evaluation_crops([*pictures, *[photo(20, 20)] * 20])) == 4
    with pytest.raises(ImageError, match="smaller than 64"):
        evaluation_crops([photo(63, 100)])


def test_a_run_goes_on_where_it_stopped(pictures: Path, finished: Path, tmp_path: Path) -> None:
    """Given more minutes, the same folder continues; given the same, only the export is redone."""
    folder = finished
    checkpoint = torch.load(folder / CHECKPOINT, weights_only=True)
    assert checkpoint["step"] == 3
    listed_before = (folder / PICTURES).read_text(encoding="utf-8")
    held = next(line.split(",")[0] for line in listed_before.splitlines() if "held out" in line)
    (pictures / held).rename(tmp_path / held)  # a picture that has gone changes nothing of others
    again = run(pictures, folder)
    assert (folder / PICTURES).read_text(encoding="utf-8") == listed_before
    assert any("resumed at step 3" in line for line in again)
    assert torch.load(folder / CHECKPOINT, weights_only=True)["step"] == 3
    longer = TrainingPlan(minutes=5 / 60, crops=2, crop_side=64, final_crop_side=64)
    run(pictures, folder, longer)
    assert torch.load(folder / CHECKPOINT, weights_only=True)["step"] == 5


def test_tables_are_fitted_to_parts_of_large_pictures(
    pictures: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole ones of some megapixels would take longer than the run, and nothing said why."""
    monkeypatch.setattr(product, "TABLE_PIXELS", 64 * 80)
    shapes = []

    def fit(vae: ImageVae, samples: list[np.ndarray]) -> bytes:
        shapes.extend([sample.shape for sample in samples])
        return fit_weights(vae, samples)

    monkeypatch.setattr(product, "fit_weights", fit)
    said = run(pictures, finished)
    assert shapes == [(71, 71, 3)] * 2
    assert "fitting the coding tables to 0.01 megapixels, then measuring" in said


def test_one_picture_is_trained_on_and_said_to_be(
    example: Example, pictures: Path, tmp_path: Path
) -> None:
    """Nothing else is there to measure: the curve must not pass for that of pictures never seen."""
    said = run(pictures / "0.png", tmp_path / "one")
    assert "1 picture (" in "".join(said) and "0 held out" in "".join(said)
    words = "what is called held out is trained on as well"
    assert sum(words in line for line in said) == 1
    assert not any(words in line for line in example.said)


def test_a_finished_run_keeps_what_it_finished(
    pictures: Path, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command again fits its tables again; cut short, it leaves those there are."""
    before = (finished / WEIGHTS).read_bytes()

    def cut_short(*args: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(product, "fit_weights", cut_short)
    with pytest.raises(KeyboardInterrupt):
        run(pictures, finished)
    assert (finished / WEIGHTS).read_bytes() == before


def test_a_run_stops_before_its_tables_are_fitted(pictures: Path, tmp_path: Path) -> None:
    """Whoever asks for an end while the last measurement is made does not wait for them."""
    stop = Stop()

    def say(line: str) -> None:
        if line.startswith("held out"):
            stop.signal = signal.SIGTERM

    options: dict[str, Any] = {"config": "tiny", "device": CPU}
    run_training([pictures], tmp_path, PLAN, say=say, stop=stop, **options)
    assert not (tmp_path / CURVE).exists()
    run(pictures, tmp_path)
    assert (tmp_path / CURVE).exists()


def test_a_run_starts_from_other_weights(example: Example, pictures: Path, tmp_path: Path) -> None:
    start = example.folder / WEIGHTS
    run(pictures, tmp_path / "second", init=str(start))
    assert Codec.load(tmp_path / "second" / WEIGHTS).weights_id != Codec.load(start).weights_id


def test_what_stops_a_run(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="no pictures"):
        run(tmp_path / "empty", tmp_path / "run")
    with pytest.raises(WeightsError, match="enormous"):
        run(pictures, tmp_path / "run", config="enormous")
    with pytest.raises(WeightsError):
        run(pictures, tmp_path / "run", init=str(tmp_path / "none.safetensors"))
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        run(pictures, tmp_path / "file")


def test_weights_without_a_checkpoint_are_not_written_over(pictures: Path, finished: Path) -> None:
    """Whoever has made room by deleting the checkpoint does not lose the weights as well."""
    before = (finished / WEIGHTS).read_bytes()
    (finished / CHECKPOINT).unlink()
    with pytest.raises(OutputError, match=r"weights\.safetensors: is there already, without"):
        run(pictures, finished)
    assert (finished / WEIGHTS).read_bytes() == before


def test_a_run_goes_on_as_what_it_was_begun_as(pictures: Path, finished: Path) -> None:
    """What else is asked for would be passed over in silence."""
    with pytest.raises(WeightsError, match="of the configuration tiny goes on as such"):
        run(pictures, finished, config="base")
    with pytest.raises(WeightsError, match="began from an orthonormal block transform"):
        run(pictures, finished, init="base-7", config=None)
    run(pictures, finished, config=None)


def test_a_start_that_came_to_nothing_is_not_noted(pictures: Path, tmp_path: Path) -> None:
    """As a kill before the first checkpoint leaves it."""
    note_run(tmp_path, RunNote.of(PLAN, "base-7", CPU))
    run(pictures, tmp_path)
    assert read_note(tmp_path).init is None


def test_two_processes_do_not_train_in_one_folder(pictures: Path, tmp_path: Path) -> None:
    """The second touches nothing, not even what the first is about to write."""
    folder = tmp_path / "run"
    with own_folder(folder):
        (part := folder / ".gencodec-1.part").write_bytes(b"half of a checkpoint")
        with pytest.raises(OutputError, match="another process is training there"):
            run(pictures, folder)
        assert part.exists() and not (folder / "pictures.csv").exists()
    run(pictures, folder)
    assert not part.exists()


def test_a_run_that_ends_while_another_begins_is_not_begun_anew(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was there when the second looked; its lock it got once the first had ended."""
    folder = tmp_path / "run"

    @contextlib.contextmanager
    def late(path: Path) -> Iterator[None]:
        monkeypatch.setattr(run_module, "own_folder", own_folder)
        run(pictures, folder)
        with own_folder(path):
            yield

    monkeypatch.setattr(run_module, "own_folder", late)
    with pytest.raises(OutputError, match="the same command goes on with it"):
        run(pictures, folder)


@pytest.mark.skipif(sys.platform == "win32", reason="another call locks there")
def test_where_no_file_can_be_locked_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on NFS without its lock service; nobody else is training there."""

    def flock(file: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    with own_folder(tmp_path / "run"):
        pass


def test_a_finished_run_is_shipped(
    pictures: Path, finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the small files of its folder alone; a second time it is no better and refused."""
    folder = finished
    (folder / CHECKPOINT).unlink()
    names = [row["file"] for row in read_pictures([folder], tmp_path)]
    manifest = tmp_path / "manifest.csv"
    lines = [f"shard-0.tar,{name},here,CC0-1.0,1" for name in names]
    manifest.write_text("\n".join(["shard,file,source,licence,tier", *lines]) + "\n")
    (tmp_path / "data.txt").write_text("Smooth noise.\n")
    weights = tmp_path / "weights"
    weights.mkdir()
    arguments = ["ship", folder, pictures, "--manifest", manifest, "--data", tmp_path / "data.txt"]
    arguments += ["--folder", weights, "--released", "2026-01-01", "--name"]
    assert main([*map(str, arguments), "first"]) == 0
    assert main([*map(str, arguments), "second"]) == 1
    assert "no better than first" in capsys.readouterr().err
    assert sorted(path.name for path in weights.iterdir()) == [
        "first.md",
        "first.pictures.csv",
        "first.safetensors",
        "manifest.json",
    ]
    card = (weights / "first.md").read_text(encoding="utf-8")
    assert "Smooth noise." in card and "2 pictures" in card and "3 steps" in card
    assert "block transform" in card
    assert "means over the middles\n(64 x 64) of 1 picture." in card
    listing = (weights / "first.pictures.csv").read_text(encoding="utf-8").splitlines()
    assert listing[0] == "file,sha256,width,height,split,source,licence,tier"
    assert len(listing) == 1 + len(names) and "shard" not in "".join(listing)
    test = ["provenance", str(weights / "first.pictures.csv"), str(pictures)]
    assert main(test) == 1  # the broken picture is there and not listed
    (pictures / "broken.png").unlink()
    assert main(test) == 0
    (pictures / names[0]).unlink()
    (pictures / names[1]).unlink()
    (pictures / names[2]).unlink()
    assert main([*map(str, arguments), "third"]) == 1
    assert "held-out pictures are here" in capsys.readouterr().err


def test_a_card_tells_of_all_runs_that_led_there(
    example: Example, pictures: Path, tmp_path: Path
) -> None:
    first, last, weights = example.folder, tmp_path / "last", tmp_path / "weights"
    run(pictures, last, replace(PLAN, learning_rate=5e-4), init=str(first / WEIGHTS))
    (pictures / "broken.png").unlink()
    names = [path.name for path in pictures.iterdir()]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,source", *(f"{n},x" for n in names)]))
    (tmp_path / "data.txt").write_text("Smooth noise.\n")
    weights.mkdir()
    arguments = ["ship", last, pictures, "--earlier", first, "--folder", weights, "--name", "both"]
    files = ["--manifest", tmp_path / "manifest.csv", "--data", tmp_path / "data.txt"]
    assert main([*map(str, arguments), *map(str, files)]) == 0
    card = (weights / "both.md").read_text(encoding="utf-8")
    assert "2 runs, each from the averaged weights of the one before" in card
    assert card.count("3 steps of") == 2
    start, then = card.index("block transform"), card.index("at a rate of 0.0005")
    assert start < then and "the weights weights" not in card


def test_what_earlier_weights_saw_is_not_held_out(tmp_path: Path) -> None:
    """Neither is another piece of its original; what this run lacked is listed all the same."""
    note_run(tmp_path, RunNote.of(TrainingPlan(steps=1), "first", torch.device("cpu")))
    row = "{0}.avif,{0}-digest,9,9,{1}"
    heading = "file,sha256,width,height,split"
    earlier = [
        row.format(*pair) + ",elsewhere" for pair in (("a__crop", "trained"), ("b", "held out"))
    ]
    earlier.append(row.format("e", "trained") + ",elsewhere")
    (tmp_path / "first.pictures.csv").write_text("\n".join([f"{heading},source", *earlier]))
    own = [row.format(name, "held out") for name in ("a", "a__crop", "b", "c")]
    own.append(row.format("d", "trained"))
    (tmp_path / "pictures.csv").write_text("\n".join([heading, *own]))
    pictures = read_pictures([tmp_path], tmp_path)
    manifest = tmp_path / "manifest.csv"
    names = ("a", "a__crop", "b", "c")
    manifest.write_text("\n".join(["file,source", *(f"{name}.avif,here" for name in names)]))
    drawn = tmp_path / "drawn.csv"
    drawn.write_text("file,how,source\nd.avif,drawn,there")
    assert listed(pictures, [manifest, drawn]).decode().splitlines() == [
        f"{heading},source,how",
        row.format("a", "unused") + ",here,",
        row.format("a__crop", "trained") + ",here,",
        row.format("b", "held out") + ",here,",
        row.format("c", "held out") + ",here,",
        row.format("d", "trained") + ",there,drawn",
        row.format("e", "trained") + ",elsewhere,",
    ]
    with pytest.raises(ValueError, match=r"manifest\.csv: 1 pictures are not named, d\.avif first"):
        listed(pictures, [manifest])
    (tmp_path / "second.pictures.csv").write_text("\n".join([heading, row.format("c", "trained")]))
    pictures = read_pictures([tmp_path], tmp_path, ["first", "second"])
    assert [each["file"] for each in pictures if each["split"] == "held out"] == ["b.avif"]
    later = tmp_path / "later"
    later.mkdir()
    (later / "pictures.csv").write_text(f"{heading}\n" + row.format("d", "held out"))
    split = {each["file"]: each["split"] for each in read_pictures([tmp_path, later], tmp_path)}
    assert split == dict.fromkeys(["d.avif", "a__crop.avif", "e.avif"], "trained")
    copies = [row.format("d", "held out"), row.format("d", "held out").replace("d.", "copy.", 1)]
    own_copy = [row.format("f", "held out"), row.format("f", "trained").replace("f.", "g.", 1)]
    (later / "pictures.csv").write_text("\n".join([heading, *copies, *own_copy]))
    split = {each["file"]: each["split"] for each in read_pictures([tmp_path, later], tmp_path)}
    assert split.keys() > {"d.avif", "copy.avif", "f.avif", "g.avif"}
    assert set(split.values()) == {"trained"}
    (tmp_path / "first.pictures.csv").unlink()
    with pytest.raises(WeightsError, match=r"first\.pictures\.csv, is missing"):
        read_pictures([tmp_path], tmp_path)


# Encoders alone --------------------------------------------------------------------------------

ENCODER_PLAN = replace(PLAN, encoder_only=True, distortion="ssim")


def test_an_encoder_alone(example: Example, pictures: Path, tmp_path: Path, photo: Photo) -> None:
    """g_a learns, all else stands still, and a kill loses nothing of that."""
    start = example.folder / WEIGHTS
    folder = tmp_path / "second"
    options: dict[str, Any] = {"init": str(start), "config": None}
    run(pictures, folder, ENCODER_PLAN, **options)
    assert not (folder / WEIGHTS).exists()
    again = run(pictures, folder, replace(ENCODER_PLAN, minutes=4 / 60), **options)
    assert any("resumed at step 3" in line for line in again)
    with pytest.raises(WeightsError, match="begun for an encoder only"):
        run(pictures, folder, **options)
    with pytest.raises(WeightsError, match="an encoder for weights, not for base"):
        run(pictures, folder, ENCODER_PLAN, init="base", config=None)
    run(pictures, tmp_path / "other", replace(PLAN, seed=1))
    with pytest.raises(WeightsError, match="an encoder for other weights than those of --init"):
        run(pictures, folder, ENCODER_PLAN, init=str(tmp_path / "other" / WEIGHTS), config=None)
    weights = load_weights(start)
    checkpoint = torch.load(folder / CHECKPOINT, weights_only=True)
    for name, value in thaw(weights).state_dict().items():
        same = [torch.equal(value, checkpoint[part][name]) for part in ("vae", "average")]
        assert all(same) or (name.startswith("g_a.") and not any(same)), name
    stream = Codec(with_encoder(weights, folder / ENCODER), CPU).compress(photo(50, 70))
    assert Codec(weights, CPU).decompress(stream).shape == (50, 70, 3)
    curve = json.loads((folder / CURVE).read_text(encoding="utf-8"))
    assert curve["file_sha256"] == hashlib.sha256((folder / ENCODER).read_bytes()).hexdigest()
    with pytest.raises(WeightsError, match="none are named"):
        run(pictures, tmp_path / "third", ENCODER_PLAN, config=None)


def ship_one(first: Path, pictures: Path, folder: Path) -> tuple[Path, list[str], list[str]]:
    """Weights called one in a folder of their own; what other runs are to be shipped with."""
    (pictures / "broken.png").unlink()
    weights = folder / "weights"
    weights.mkdir()
    names = ",,\n".join(f"{number}.png" for number in range(3))
    (folder / "manifest.csv").write_text(f"file,source,licence\n{names},,\n")
    (folder / "data.txt").write_text("Smooth noise.\n")
    where = ["--folder", str(weights), "--released", "2026-01-01"]
    of_all = ["--manifest", str(folder / "manifest.csv"), "--data", str(folder / "data.txt")]
    assert main(["ship", str(first), str(pictures), "--name", "one", *where, *of_all]) == 0
    return weights, where, of_all


def test_weights_for_a_tune_are_shipped_beside_the_default(
    example: Example, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where they are better by MS-SSIM; all else stays as it was, and the start is told of."""
    weights, where, of_all = ship_one(example.folder, pictures, tmp_path)
    before = json.loads((weights / MANIFEST).read_text(encoding="utf-8"))
    plan = replace(PLAN, distortion="ssim", minutes=40 / 60)
    one, start = (
        str(path) for path in (weights / "one.safetensors", tmp_path / "start.safetensors")
    )
    assert main(["transfer", one, "--tuned", one, "--origin", one, "-o", start]) == 0
    run(pictures, tmp_path / "second", plan, init=start, config=None)
    command = ["ship", str(tmp_path / "second"), str(pictures), *where, *of_all, "--name"]
    assert main([*command, "two"]) == 1
    assert "start.pictures.csv, is missing" in capsys.readouterr().err
    command[-1:] = ["--made-of", "one", "--name"]
    assert main([*command, "two"]) == 0
    assert "started from weights made of one:" in (weights / "two.md").read_text(encoding="utf-8")
    after = json.loads((weights / MANIFEST).read_text(encoding="utf-8"))
    assert after["tuned"] == {"ssim": "two"} and after["default"] == "one"
    assert after["weights"][0] == before["weights"][0]
    assert after["weights"][1]["tune"] == "ssim"
    assert "MS-SSIM of one" in (weights / "two.md").read_text(encoding="utf-8")
    assert main([*command, "three"]) == 1
    assert "no better than two" in capsys.readouterr().err


def test_an_encoder_is_shipped_beside_its_weights(
    example: Example, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights, where, _ = ship_one(example.folder, pictures, tmp_path)
    before = json.loads((weights / MANIFEST).read_text(encoding="utf-8"))

    folder, plan = tmp_path / "second", replace(ENCODER_PLAN, minutes=40 / 60)
    run(pictures, folder, plan, init=str(weights / "one.safetensors"), config=None)
    command = ["ship-encoder", str(folder), str(pictures), *where]
    assert main(command) == 0
    assert main(command) == 1
    assert "no better than one.ssim" in capsys.readouterr().err
    after = json.loads((weights / MANIFEST).read_text(encoding="utf-8"))
    (encoder,) = after["weights"][0].pop("encoders")
    assert after == before
    assert (encoder["tune"], encoder["file"]) == ("ssim", "one.ssim.safetensors")
    assert (weights / encoder["file"]).read_bytes() == (folder / ENCODER).read_bytes()
    card = (weights / "one.ssim.md").read_text(encoding="utf-8")
    assert "[one](one.md)" in card and "40 steps" in card and "MS-SSIM of one" in card

    seen = read_pictures([folder], weights)
    note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
    (folder / NOTE).write_text(json.dumps({**note, "start": "the weights one.ssim"}))
    assert read_pictures([folder], weights) == seen  # an encoder saw what its weights saw
    note["plan"]["distortion"] = "mse"
    (folder / NOTE).write_text(json.dumps(note))
    assert main(command) == 1
    assert "for mse the weights have their own encoder" in capsys.readouterr().err

    Image.fromarray(np.zeros((96, 112, 3), np.uint8)).save(pictures / "new.png")
    run(
        pictures,
        tmp_path / "third",
        ENCODER_PLAN,
        init=str(weights / "one.safetensors"),
        config=None,
    )
    assert main(["ship-encoder", str(tmp_path / "third"), str(pictures), *where]) == 1
    assert "new.png and 0 more are not in the list of one" in capsys.readouterr().err
