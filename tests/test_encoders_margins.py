"""What is taken off a picture before a model sees it, and what never is."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from fashiontag.catalog.images import load_image
from fashiontag.encoders import resolve
from fashiontag.encoders.margins import trim

PORTRAIT, SQUARE = (128, 96), (224, 224)
GROUNDS = {
    "white": (255, 255, 255),
    "nearly white": (250, 249, 247),
    "light grey": (226, 226, 228),
    "a studio's beige": (236, 228, 215),
    "black": (0, 0, 0),
}


def garment(width, height, ground=(255, 255, 255)):
    """A picture of a product that fills it, but for its corners."""
    picture = Image.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(picture)
    draw.ellipse((0, 0, width - 1, height - 1), fill=(170, 40, 60))
    draw.rectangle((width // 3, height // 3, width * 2 // 3, height * 2 // 3), fill=(30, 60, 160))
    return picture


def framed(picture, size, ground=(255, 255, 255), at=None):
    canvas = Image.new("RGB", size, ground)
    place = at or [(across - own) // 2 for across, own in zip(size, picture.size, strict=True)]
    canvas.paste(picture, tuple(place))
    return canvas


def share(picture, ground=(255, 255, 255)):
    """Return how much of the height and the width differs from the ground."""
    away = np.abs(np.asarray(picture, int) - ground).max(axis=2) > 40
    rows, columns = np.flatnonzero(away.any(axis=1)), np.flatnonzero(away.any(axis=0))
    return np.ptp(rows) / picture.height, np.ptp(columns) / picture.width


@pytest.mark.parametrize("fill", [0.85, 0.7, 0.5, 0.25])
@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_a_square_frame_goes_back_to_the_shape_that_the_model_takes(ground, fill):
    tall = garment(round(250 * fill), round(600 * fill), ground)
    got = trim(framed(tall, (600, 600), ground), PORTRAIT)
    assert got.width / got.height == pytest.approx(0.75, abs=0.02)
    assert share(got, ground)[0] == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("fill", [0.6, 0.5, 0.25])
@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_a_wide_thing_is_as_wide_as_wide_things_are(ground, fill):
    wide = garment(round(600 * fill), round(250 * fill), ground)
    for size in (PORTRAIT, SQUARE):
        got = trim(framed(wide, (600, 600), ground), size)
        assert share(got, ground)[1] == pytest.approx(0.83, abs=0.03)


@pytest.mark.parametrize("size", [PORTRAIT, SQUARE])
@pytest.mark.parametrize(
    "canvas", [(1000, 1000), (1600, 900), (900, 1600), (61, 61), (4000, 1000)], ids=str
)
def test_a_frame_of_any_shape_is_taken_off(canvas, size):
    small = garment(max(12, min(canvas) // 4), max(16, min(canvas) // 3))
    got = trim(framed(small, canvas), size)
    assert share(got)[0] > 0.6
    assert got.width / got.height == pytest.approx(size[1] / size[0], abs=0.12)


@pytest.mark.parametrize("at", [(0, 200), (350, 200), (200, 0), (200, 350), (0, 0)])
def test_a_product_that_touches_the_border_keeps_touching_it(at):
    got = np.asarray(trim(framed(garment(250, 250), (600, 600), at=at), SQUARE))
    assert got.shape[0] < 400
    red = (np.abs(got.astype(int) - (170, 40, 60)).max(axis=2) < 40).astype(int)
    touches = red[:, 0].sum(), red[:, -1].sum(), red[0].sum(), red[-1].sum()
    wanted = at[0] == 0, at[0] == 350, at[1] == 0, at[1] == 350
    assert tuple(count > 0 for count in touches) == wanted


@pytest.mark.parametrize("quality", [95, 75, 40])
@pytest.mark.parametrize("ground", GROUNDS.values(), ids=GROUNDS)
def test_noise_of_jpeg_is_margin(ground, quality):
    out = io.BytesIO()
    framed(garment(300, 300, ground), (800, 800), ground).save(out, "JPEG", quality=quality)
    assert trim(load_image(out.getvalue()), SQUARE).width == pytest.approx(375, abs=16)


def test_noise_of_a_camera_is_margin():
    pixels = np.asarray(framed(garment(400, 400, (235,) * 3), (1000, 1000), (235,) * 3), float)
    pixels = pixels + np.random.default_rng(0).normal(0, 5, pixels.shape)
    got = trim(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), SQUARE)
    assert got.width == pytest.approx(500, abs=20)


def test_a_cut_out_on_a_wide_canvas_is_trimmed_like_a_photo_on_white():
    cutout = Image.new("RGBA", (900, 900), (0, 0, 0, 0))
    cutout.paste(garment(300, 400).convert("RGBA"), (300, 250))
    out = io.BytesIO()
    cutout.save(out, "PNG")
    assert trim(load_image(out.getvalue()), PORTRAIT).height == pytest.approx(500, abs=20)


def scene(width, height):
    """A photo without any margin, not even at one side."""
    down, across = np.mgrid[0:height, 0:width]
    waves = [
        120 + 100 * np.sin(down / a) * np.cos(across / b) for a, b in ((9, 7), (5, 11), (7, 5))
    ]
    return Image.fromarray(np.stack(waves, axis=-1).astype(np.uint8))


@pytest.mark.parametrize("bar", GROUNDS.values(), ids=GROUNDS)
@pytest.mark.parametrize("canvas", [(600, 900), (900, 600), (600, 660)], ids=str)
def test_bars_are_cut_off(canvas, bar):
    got = trim(framed(scene(600, 600), canvas, bar), SQUARE)
    assert got.size == pytest.approx((600, 600), abs=16)


@pytest.mark.parametrize("down", [30, 120, 570])
def test_a_cloth_that_fills_the_picture_is_no_bar(down):
    """The stripe of white is what is left over, not what is shown."""
    picture = Image.new("RGB", (600, 600), (120, 60, 200))
    picture.paste((255, 255, 255), (0, down, 600, down + 30))
    assert trim(picture, SQUARE) is picture


def test_a_margin_inside_of_bars_is_found_too():
    photo = framed(garment(200, 200), (600, 600))
    got = trim(framed(photo, (600, 1000), (0, 0, 0)), SQUARE)
    assert got.size == pytest.approx((250, 250), abs=20)
    assert np.asarray(got).max() == 255
    assert not (np.asarray(got).max(axis=2) < 20).any()


@pytest.mark.parametrize(
    "picture",
    [
        Image.new("RGB", (600, 600), "white"),
        Image.new("RGB", (600, 600), (12, 40, 90)),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (3, 2000), "white"),
        scene(600, 600),
        framed(garment(560, 400), (600, 600)),
        framed(garment(300, 560), (600, 600)),
        framed(garment(200, 330), (450, 600)),
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 1, 3), dtype=np.uint8)),
    ],
)
@pytest.mark.parametrize("size", [PORTRAIT, SQUARE])
def test_what_has_no_excess_stays_as_it_is(picture, size):
    assert trim(picture, size) is picture


def test_what_a_photographer_framed_small_stays_small():
    """An earring of .45 of a portrait; in a square of the same height it is excess."""
    earring = garment(150, 270)
    assert trim(framed(earring, (450, 600)), PORTRAIT).size == (450, 600)
    assert trim(framed(earring, (600, 600)), PORTRAIT).size != (600, 600)


def test_a_white_shirt_is_found_by_its_outline():
    shirt = Image.new("RGB", (200, 260), (252, 252, 252))
    ImageDraw.Draw(shirt).rectangle((0, 0, 199, 259), outline=(232, 232, 232), width=6)
    shirt.paste((200, 40, 90), (90, 100, 110, 120))
    assert trim(framed(shirt, (600, 600)), PORTRAIT).height == pytest.approx(325, abs=20)


@settings(max_examples=60, deadline=None)
@given(
    canvas=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    box=st.tuples(*[st.integers(0, 300)] * 4),
    ground=st.sampled_from([*GROUNDS.values()]),
    size=st.sampled_from([PORTRAIT, SQUARE]),
)
def test_nothing_but_margin_goes_and_twice_is_once(canvas, box, ground, size):
    picture = Image.new("RGB", canvas, ground)
    (left, right), (top, bottom) = sorted(box[::2]), sorted(box[1::2])
    right, bottom = min(right, canvas[0]), min(bottom, canvas[1])
    picture.paste((120, 60, 200), (left, top, right, bottom))
    got = trim(picture, size)
    assert got.width > 0
    assert got.height > 0
    inside = np.asarray(picture, int)[top:bottom, left:right].reshape(-1, 3)
    kept = (np.asarray(got) == (120, 60, 200)).all(axis=2).sum()
    touched = (left == 0) + (top == 0) + (right == canvas[0]) + (bottom == canvas[1])
    # what touches more is the ground; what is thin is averaged away
    if touched <= 1 and min(right - left, bottom - top) >= 8:
        assert kept == len(inside)
    assert np.array_equal(np.asarray(trim(picture.copy(), size)), np.asarray(got))


def test_the_model_is_given_what_is_left():
    encoder = resolve()
    tall = garment(200, 370)
    whole = encoder.prepare(framed(tall, (300, 400)))
    for side in (500, 700, 1400):
        again = encoder.prepare(framed(tall, (side, side)))
        assert np.abs(again.astype(int) - whole).mean() < 10
    small = encoder.preprocess(framed(tall, (1400, 1400)))
    assert np.abs(small.astype(int) - whole).mean() > 40
