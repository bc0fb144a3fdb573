"""explain says what it measured, and says no where the claim does not hold."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest

from gencodec.bench.own_codec import Gencodec
from gencodec.bench.report import from_text, to_text
from gencodec.cli.explain import summary
from gencodec.evidence.explain import Explanation, Pictures, explain, likeness
from gencodec.evidence.explain_page import explain_page
from gencodec.evidence.opening import explain_opened, open_picture, open_stream_file
from gencodec.evidence.stranger import other_weights
from gencodec.evidence.streams import force, payload_of, rebuild_from
from gencodec.image import picture_from_array

Photo = Callable[..., np.ndarray]
Explained = tuple[Explanation, Pictures]


@pytest.fixture(scope="module")
def explained(codec: Gencodec, photo: Photo) -> Explained:
    opened = open_picture("folder/a<b>.png", picture_from_array(photo(120, 170, 1)), codec)
    return explain_opened(opened, [opened], seed=3)


def test_it_holds_for_an_ordinary_picture(explained: Explained) -> None:
    figures, pictures = explained
    assert figures.holds, figures.verdict
    assert figures.name == "a<b>.png"
    sizes = [step.file_bytes for step in figures.steps]
    assert sizes == sorted(sizes) and sizes[-1] == figures.file_bytes
    assert figures.steps[0].symbols == 0.0 and figures.steps[-1].symbols == 1.0
    assert figures.steps[-1].psnr > figures.steps[0].psnr + 10
    assert pictures["forced"].shape == pictures["original"].shape == (120, 170, 3)
    assert from_text(Explanation, to_text(figures)) == figures
    json.dumps(dataclasses.asdict(figures), allow_nan=False)


def test_a_decoder_that_needs_no_file_is_found_out(codec: Gencodec, photo: Photo) -> None:
    """The same weights given as 'other' ones show the picture: nothing may be claimed then."""
    pixels = photo(64, 96, 2)
    stream = codec.compress(pixels)
    figures, _ = explain(
        "x", stream, pixels, codec, codec.weights, ("turned", pixels[::-1, ::-1]), seed=0
    )
    assert not figures.holds
    assert "other weights" in figures.verdict


def test_nothing_is_known_at_zero_bytes(codec: Gencodec, photo: Photo) -> None:
    first, second = (codec.compress(photo(70, 90, seed)) for seed in (1, 2))
    nothing = [rebuild_from(stream, 0.0, codec.codec, codec.weights) for stream in (first, second)]
    assert np.array_equal(nothing[0].pixels, nothing[1].pixels)
    half = rebuild_from(first, 0.5, codec.codec, codec.weights)
    assert 0.0 < half.symbols < 1.0 and half.bytes == round(len(first) / 2)


def test_other_weights_are_sound_and_blind(codec: Gencodec, photo: Photo) -> None:
    pixels = photo(128, 128, 5)
    other = other_weights(codec.weights.vae.config, pixels, seed=0)
    assert other.weights_id != codec.weights.weights_id
    header, payload = payload_of(codec.compress(pixels))
    forced = force(payload, header, other)
    assert forced.complaint and abs(likeness(forced.pixels, pixels)) < 0.3
    sound = force(payload, header, codec.weights)
    assert sound.complaint is None and likeness(sound.pixels, pixels) > 0.9


def test_likeness(photo: Photo) -> None:
    pixels = photo(64, 64, 1)
    assert likeness(pixels, pixels) == pytest.approx(1.0)
    assert likeness(pixels, np.invert(pixels)) == pytest.approx(-1.0)
    darker = (pixels // 2 + 60).astype(np.uint8)
    assert likeness(pixels, darker) > 0.99  # it is no other picture
    assert abs(likeness(pixels, photo(64, 64, 9))) < 0.5
    assert likeness(pixels, np.full_like(pixels, 7)) == 0.0
    assert likeness(pixels[:1, :1], pixels[:1, :1]) == 0.0


def test_streams_are_explained_by_themselves(codec: Gencodec, photo: Photo) -> None:
    stream = codec.compress(photo(40, 33, 4)[:, :, 0])
    opened = open_stream_file("a.gnc", stream, codec, max_pixels=10**6)
    figures, pictures = explain_opened(opened, [opened], seed=0)
    assert figures.swap_exact and pictures["original"].shape == (40, 33, 3)


def test_a_grey_picture_beside_one_in_colours(codec: Gencodec, photo: Photo) -> None:
    """Either is shown by its own bytes alone, and by those in the other's place."""
    colours, grey = photo(120, 170, 1), photo(96, 128, 2)[:, :, 0]
    opened = [
        open_picture(name, picture_from_array(pixels), codec)
        for name, pixels in (("colours.png", colours), ("grey.png", grey))
    ]
    for one in opened:
        figures, _ = explain_opened(one, opened, seed=0)
        assert figures.holds and figures.nothing_same and figures.swap_exact, figures.verdict


def test_of_tiles_the_dearest_is_explained(codec: Gencodec, photo: Photo) -> None:
    pixels = np.full((150, 130, 3), 90, np.uint8)
    pixels[64:128, :64] = photo(64, 64, 4)
    stream = codec.codec.compress(pixels, tile=64)
    whole = codec.codec.decompress(stream)
    opened = open_stream_file("folder/b.gnc", stream, codec, max_pixels=pixels.size)
    assert opened.name == "b.gnc, tile 4 of 9, at 0,64"
    assert opened.pixels().shape == (64, 64, 3) and opened.original is None
    # Only the transforms, which look beyond a tile's border, tell the two apart.
    assert np.abs(opened.pixels()[8:-8, 8:-8].astype(int) - whole[72:120, 8:56]).mean() < 3
    figures, _ = explain_opened(opened, [opened], seed=0)
    assert figures.swap_exact and figures.file_bytes == len(opened.stream)
    assert sum(entry.bits for entry in figures.ledger) == pytest.approx(
        8 * len(opened.stream), abs=1
    )


def test_a_picture_too_large_for_one_tile_is_explained(
    codec: Gencodec, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gencodec.codec.tiles.UNTILED_PIXELS", 10_000)
    monkeypatch.setattr("gencodec.codec.tiles.AUTO_TILE_SIDE", 64)
    pixels = np.full((150, 130, 3), 90, np.uint8)
    pixels[64:128, 64:128] = photo(64, 64, 4)
    opened = open_picture("b.png", picture_from_array(pixels), codec)
    assert opened.name == "b.png, tile 5 of 9, at 64,64"
    assert opened.original is not None
    assert np.array_equal(opened.original, pixels[64:128, 64:128])


class Reader(HTMLParser):
    """Collects the addresses and the elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_is_whole_and_safe(explained: Explained) -> None:
    html = explain_page([explained], "gencodec explain 'a<b>.png'")
    reader = Reader()
    reader.feed(html)
    assert reader.addresses and all(a.startswith("data:image/") for a in reader.addresses)
    assert not {"script", "link", "iframe"} & set(reader.tags)
    assert "a<b>" not in html and "a&lt;b&gt;.png" in html
    assert html.index(explained[0].verdict) < html.index("<img")
    assert f"{explained[0].file_bytes}" in html


def test_a_flat_picture_has_nothing_to_be_likened_by(codec: Gencodec) -> None:
    """It comes back as it was, which no likeness can tell."""
    opened = open_picture("flat.png", picture_from_array(np.full((32, 32, 3), 90, np.uint8)), codec)
    figures, _ = explain_opened(opened, [opened], seed=0)
    assert not figures.holds
    assert figures.verdict.endswith("there is too little in it for a likeness to be seen.")


def test_long_names_and_likenesses_near_nothing(explained: Explained) -> None:
    figures, pictures = explained
    steps = (dataclasses.replace(figures.steps[0], likeness=-0.0004), *figures.steps[1:])
    figures = dataclasses.replace(figures, name="n" * 200, steps=steps)
    html = explain_page([(figures, pictures)] * 2, "gencodec explain")
    assert "overflow-wrap: anywhere" in html.split("h2, p, ")[1].split("\n")[0]
    assert "-0.00" not in html and "-0.000" not in summary(figures)


def test_the_page_of_a_picture_of_one_block(codec: Gencodec, photo: Photo) -> None:
    """Every table fitted to it says all of it, so nothing can be saved against them."""
    opened = open_picture("icon.png", picture_from_array(photo(16, 16, 1)), codec)
    figures, pictures = explain_opened(opened, [opened], seed=0)
    assert figures.bits_factorised == 0.0 < figures.bits_prior
    assert "training brought nothing" in explain_page([(figures, pictures)], "gencodec explain")
