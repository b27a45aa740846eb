"""Pictures that a Python caller hands over: what becomes an item, and what an error row later."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fashiontag.catalog import FileRef, MemoryRef, item_of
from fashiontag.catalog.images import load_image
from fashiontag.errors import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
UPSIDE_DOWN = 3
ORIENTATION = 0x0112


def encoded(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def seen(picture):
    """Return the pixels that a model would get of a picture."""
    return np.asarray(load_image(item_of(picture, None, "x").image.read()))


def test_a_path_is_a_file_whose_links_are_not_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("real.png").write_bytes(b"never opened here")
    Path("link.png").symlink_to("real.png")
    for path in ("link.png", Path("link.png")):
        item = item_of(path, "<b>Red</b> dress", "7")
        assert (item.id, item.path, item.title) == ("link.png", "link.png", "<b>Red</b> dress")
        assert (item.text, item.fields) == ("Red dress", {})
        assert item.image == FileRef(str(tmp_path / "link.png"))
    with pytest.raises(ImageError, match="no such file"):
        item_of("gone.png", None, "gone.png").image.read()


def test_bytes_are_kept_as_they_are():
    data = encoded(Image.fromarray(PIXELS), "JPEG")
    item = item_of(data, None, "shoe")
    assert item.image == MemoryRef(data, "shoe")
    assert (item.image.read(), item.image.stamp()) == (data, None)
    assert (item.id, item.path, item.image.locator) == ("shoe", "", "memory:shoe")


def test_arrays_and_pictures_lose_nothing():
    assert np.array_equal(seen(PIXELS), PIXELS)
    assert np.array_equal(seen(PIXELS[::-1, :, ::-1]), PIXELS[::-1, :, ::-1])
    assert np.array_equal(seen(Image.fromarray(PIXELS)), PIXELS)
    assert np.array_equal(seen(PIXELS[..., 0])[..., 2], PIXELS[..., 0])
    assert item_of(PIXELS, None, "x").image.read().startswith(b"\x89PNG")


def test_alpha_of_an_array_goes_on_white():
    cutout = np.dstack([PIXELS, np.full((6, 4), 255, np.uint8)])
    cutout[0, :, 3] = 0
    assert (seen(cutout)[0] == 255).all()
    assert np.array_equal(seen(cutout)[1:], PIXELS[1:])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_picture_is_turned_by_its_exif_as_its_file_would_be(kind):
    exif = Image.Exif()
    exif[ORIENTATION] = UPSIDE_DOWN
    data = encoded(Image.fromarray(PIXELS), kind, exif=exif.tobytes())
    opened = Image.open(io.BytesIO(data))
    assert np.array_equal(seen(opened), np.asarray(load_image(data)))
    if kind != "JPEG":
        assert np.array_equal(seen(data), PIXELS[::-1, ::-1])
    in_memory = Image.fromarray(PIXELS)
    in_memory.getexif()[ORIENTATION] = UPSIDE_DOWN
    assert np.array_equal(seen(in_memory), PIXELS[::-1, ::-1])
    assert np.array_equal(np.asarray(in_memory), PIXELS)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "PA", "P", "RGBa", "CMYK", "YCbCr", "F", "I"])
def test_every_mode_is_seen_as_from_a_file(mode):
    picture = Image.fromarray(PIXELS)
    if mode in ("RGBa", "LA"):
        picture = picture.convert("RGBA")
    picture = picture.convert("P") if mode == "PA" else picture
    picture = picture.convert(mode)
    assert seen(picture).shape == (6, 4, 3)
    if mode in ("L", "1", "P", "LA"):
        assert np.array_equal(seen(picture), np.asarray(load_image(encoded(picture, "PNG"))))


def test_a_picture_changed_afterwards_is_as_it_was_handed_over():
    pixels = PIXELS.copy()
    item = item_of(pixels, None, "x")
    pixels[:] = 0
    assert np.array_equal(np.asarray(load_image(item.image.read())), PIXELS)


def cut_short():
    noise = np.random.default_rng(1).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), "JPEG")
    return Image.open(io.BytesIO(data[: len(data) // 2]))


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (PIXELS.astype(np.float32), r"shape \(6, 4, 3\) and type float32"),
        (PIXELS[..., :2], r"shape \(6, 4, 2\)"),
        (PIXELS[0, 0], r"shape \(3,\)"),
        (PIXELS[None], r"shape \(1, 6, 4, 3\)"),
        (PIXELS[:0], r"shape \(0, 4, 3\)"),
        (np.array(None), "type object"),
        (cut_short(), "^truncated$"),
        (Image.new("1", (13_000, 13_000)), "13000×13000 pixels is more than the limit"),
    ],
)
def test_a_bad_picture_fails_when_it_is_read(picture, reason):
    image = item_of(picture, None, "x").image
    with pytest.raises(ImageError, match=reason):
        image.read()


@pytest.mark.parametrize("picture", [3, None, [[0]], float("nan")])
def test_what_is_no_picture_is_refused_at_once(picture):
    with pytest.raises(TypeError, match=r"Image 4 is .*; give a path or a PIL\.Image\.Image"):
        item_of(picture, None, "4")


def test_missing_titles_are_none_and_others_must_be_text():
    pandas = pytest.importorskip("pandas")
    missing = [None, "", float("nan"), np.float32("nan"), np.nan, pandas.NA, pandas.NaT]
    for title in missing:
        item = item_of("a.png", title, "a")
        assert (item.title, item.text) == ("", "")
    assert item_of("a.png", np.str_("Red"), "a").title == "Red"
    for title in (3, 1.5, ["Red"], np.array(["Red", "Blue"])):
        with pytest.raises(TypeError, match=r"A title is .*; give text, or None where there is"):
            item_of("a.png", title, "a")


def test_an_item_of_a_path_needs_no_existing_folder():
    assert item_of(os.path.join("no", "such.png"), None, "x").image.stamp() is None  # noqa: PTH118
