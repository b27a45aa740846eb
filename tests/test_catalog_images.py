"""Bytes to upright RGB on white, and titles to plain text."""

import io
import os
import struct
import subprocess
import sys
import unicodedata
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from PIL import Image

from fashiontag.catalog import clean_title, read_catalog
from fashiontag.catalog import images as room
from fashiontag.catalog.images import load_image
from fashiontag.catalog.kinds import ending_of
from fashiontag.errors import ImageError

DATA = Path(os.environ.get("FASHIONTAG_DATA") or Path(__file__).parents[2] / "shared" / "data")
BROKEN = DATA / "broken"
# The room silences Pillow's warnings for the process; pytest resets that for each test.
pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]
needs_data = pytest.mark.skipif(not BROKEN.is_dir(), reason=f"no real data in {DATA}")


def garment(width=60, height=90):
    """A red block with a blue stripe on top, on white: up and down can be told apart."""
    picture = Image.new("RGB", (width, height), "white")
    picture.paste((200, 30, 30), (width // 6, height // 3, width * 5 // 6, height))
    picture.paste((30, 30, 200), (width // 6, 0, width * 5 // 6, height // 3))
    return picture


def encoded(picture, kind="PNG", **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def difference(one, other):
    """Return the mean absolute difference of two pictures, 0 to 255."""
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def png_header(width, height):
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = b"IHDR" + head
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", len(head))
        + body
        + struct.pack(">I", zlib.crc32(body))
        + struct.pack(">I", 4)
        + b"IDAT1234"
    )


# --- what must be read right -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"])
def test_every_format_gives_the_same_picture(kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    picture = load_image(encoded(garment(), kind))
    assert (type(picture), picture.mode, picture.size) == (Image.Image, "RGB", (60, 90))
    assert difference(picture, garment()) < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_exif_turns_the_picture_upright_once(kind, orientation):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    undo = {
        **room._UPRIGHT,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }
    turn = undo.get(orientation)
    lying = garment() if turn is None else garment().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    upright = load_image(encoded(lying, kind, exif=exif.tobytes()))
    assert upright.size == (60, 90)
    assert difference(upright, garment()) < 4
    assert not upright.getexif()


def test_damaged_exif_costs_no_picture():
    data = encoded(garment(), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xffjunk")
    assert difference(load_image(data), garment()) < 4


def test_pillow_prints_no_warnings_into_the_progress_bar(tmp_path):
    bad_exif = b"Exif\x00\x00MM\x00*\xff\xff\xff\xffjunk"
    (tmp_path / "exif.jpg").write_bytes(encoded(garment(), "JPEG", exif=bad_exif))
    code = (
        "import sys, pathlib, fashiontag.catalog.images as c\n"
        "print(c.load_image(pathlib.Path(sys.argv[1]).read_bytes()).size)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "exif.jpg"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("(60, 90)", "")


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa"])
def test_alpha_goes_on_white_and_not_on_the_black_below(mode):
    cutout = Image.new("RGBA", (10, 10), (0, 0, 0, 0))
    cutout.paste((102, 102, 102, 255), (0, 0, 5, 10))
    if mode == "PA":
        alpha = cutout.getchannel("A")
        cutout = cutout.convert("RGB").convert("P")
        cutout.putalpha(alpha)
    elif mode != "RGBA":
        cutout = cutout.convert(mode)
    assert cutout.mode == mode
    plain = room._on_white(cutout)
    assert plain.getpixel((9, 5)) == (255, 255, 255)
    assert plain.getpixel((1, 5)) == (102, 102, 102)


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP", "TIFF"])
def test_transparent_files_go_on_white(kind):
    cutout = garment().convert("RGBA")
    cutout.paste((0, 0, 0, 0), (0, 0, 10, 90))
    picture = load_image(encoded(cutout, kind))
    assert min(picture.getpixel((3, 50))) > 250
    assert picture.getpixel((30, 60))[0] > 180


def test_a_transparent_colour_of_a_palette_or_of_rgb_goes_on_white():
    flat = Image.new("P", (4, 4), 1)
    flat.putpalette([0, 0, 0, 10, 20, 30])
    assert load_image(encoded(flat, transparency=1)).getpixel((0, 0)) == (255, 255, 255)
    solid = Image.new("RGB", (4, 4), (1, 2, 3))
    assert load_image(encoded(solid, transparency=(1, 2, 3))).getpixel((0, 0)) == (255, 255, 255)


def test_grey_of_16_bits_is_scaled_and_not_clipped():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    expected = np.linspace(0, 255, 256)
    for kind in ("PNG", "TIFF"):
        got = np.asarray(load_image(encoded(Image.fromarray(ramp), kind)))
        assert np.abs(got[0, :, 0] - expected).max() <= 1
    for dtype in (np.int32, np.float32):
        got = np.asarray(load_image(encoded(Image.fromarray(ramp.astype(dtype)), "TIFF")))
        assert np.abs(got[0, :, 0] - expected).max() <= 1


def test_deep_grey_may_count_from_white_and_have_a_transparent_level():
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    black_is_0, white_is_0 = (struct.pack("<HHIHH", 262, 3, 1, zero, 0) for zero in (1, 0))
    tiff = encoded(Image.fromarray(ramp), "TIFF")
    assert tiff.count(black_is_0) == 1
    turned = load_image(tiff.replace(black_is_0, white_is_0))
    assert difference(turned, Image.fromarray(255 - np.asarray(load_image(tiff)))) <= 1
    clear = load_image(encoded(Image.fromarray(ramp), transparency=0))
    assert [clear.getpixel((x, 0))[0] for x in (0, 1, 255)] == [255, 1, 255]


@pytest.mark.parametrize("fourth", [0, 255])
def test_a_bitmap_whose_fourth_byte_is_all_0_is_opaque(fourth):
    """By a header that calls the byte alpha (BITMAPV4HEADER, bit fields); 0 is what GDI leaves."""
    masks = struct.pack("<4I4s48x", 0xFF0000, 0xFF00, 0xFF, 0xFF000000, b"BGRs")
    head = struct.pack("<IiiHHIIiiII", 108, 4, 4, 1, 32, 3, 64, 0, 0, 0, 0) + masks
    file = struct.pack("<2sIHHI", b"BM", 14 + 108 + 64, 0, 0, 14 + 108)
    data = file + head + bytes([30, 60, 200, fourth]) * 16
    assert Image.open(io.BytesIO(data)).mode == "RGBA"
    assert load_image(data).getpixel((0, 0)) == (200, 60, 30)


def test_cmyk_and_bilevel_are_rgb():
    cmyk = load_image(encoded(garment().convert("CMYK"), "JPEG"))
    assert difference(cmyk, garment()) < 6
    assert load_image(encoded(Image.new("1", (4, 4), 1))).getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_counts(kind):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert difference(load_image(data), frames[0]) < 3


@pytest.mark.parametrize("size", [(1, 1), (20, 2000), (2000, 20)])
def test_odd_sizes_are_pictures(size):
    for kind in ("PNG", "JPEG"):
        data = encoded(Image.new("RGB", size, "red"), kind)
        assert load_image(data, at_least=224).size == size


def test_a_jpeg_is_decoded_smaller_but_never_below_twice_what_is_needed():
    data = encoded(garment(1200, 1800), "JPEG")
    assert load_image(data).size == (1200, 1800)
    assert load_image(data, at_least=224).size == (600, 900)
    assert load_image(data, at_least=75).size == (150, 225)
    assert load_image(data, at_least=601).size == (1200, 1800)
    small = load_image(data, at_least=75)
    assert difference(small, garment(150, 225)) < 3


# --- what must be refused, with its reason ---------------------------------------------------


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<!DOCTYPE html><p>404", "not an image: starts with '<!DOCTYPE html><p>404'"),
        (b"\x00\x01\x02\xff\xfe", "not an image: starts with '00 01 02 ff fe'"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "truncated"),
        (b"\xff\xd8\xff\xff\x00\x00", "truncated or damaged JPEG"),
        (b"\x00\x00\x00\x18ftypqt  \x00\x00", "no decoder here for a picture of the kind 'qt  '"),
    ],
)
def test_no_image_says_what_it_is_instead(data, reason):
    with pytest.raises(ImageError) as caught:
        load_image(data)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_ram_black_substitute_half_a_file_is_an_error_and_no_picture(kind):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (90, 60, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(ImageError):
        load_image(data[: len(data) // 2])


def test_a_truncated_jpeg_says_truncated():
    data = encoded(garment(300, 300), "JPEG")
    with pytest.raises(ImageError, match=r"^truncated$"):
        load_image(data[:-200])


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((30_000, 30_000), "900 megapixels is more"),
        ((13_000, 13_000), "13000×13000 pixels is more"),
    ],
)
def test_a_bomb_is_refused_by_its_header(size, says, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=says) as caught:
        load_image(png_header(*size))
    assert "limit of 152 megapixels" in str(caught.value)


def test_a_jpeg_of_endless_scans_is_refused_before_they_are_decoded(monkeypatch):
    data = encoded(garment(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    before = data.count(b"\xff\xda")
    many = data[:-2] + last * (room.MAX_SCANS - before) + data[-2:]
    assert load_image(many).size == (60, 90)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"^101 scans are more than the limit of 100 scans$"):
        load_image(many[:-2] + last + data[-2:])


def test_large_pictures_wait_for_each_other_and_come_out_right(monkeypatch):
    monkeypatch.setattr(room, "_LARGE", 100)
    data = encoded(garment(), "JPEG")
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(load_image, [data] * 64))
    assert max(difference(picture, garment()) for picture in pictures) < 4


def test_heic_without_its_decoder_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match="install pillow-heif"):
        load_image(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00")


def test_a_bad_picture_at_every_place_leaves_its_neighbours_alone(tmp_path):
    for bad in range(3):
        for place in range(3):
            data = b"" if place == bad else encoded(garment(), "JPEG")
            (tmp_path / f"{place}.jpg").write_bytes(data)
        got = []
        for item in read_catalog(str(tmp_path)).items:
            try:
                got.append(load_image(item.image.read()).size)
            except ImageError as error:
                got.append(str(error))
        assert got == ["empty file" if place == bad else (60, 90) for place in range(3)]


SEEDS = [
    encoded(garment(16, 24), kind, **options)
    for kind, options in [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("GIF", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("BMP", {}),
        ("AVIF", {}),
    ]
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.sampled_from(SEEDS),
    flips=st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 255)), max_size=8),
    cut=st.integers(0, 4000),
)
def test_damaged_bytes_give_rgb_or_a_reason(seed, flips, cut):
    data = bytearray(seed)
    for place, change in flips:
        data[place % len(data)] ^= change
    if cut % 3 == 0:
        del data[max(len(data) - cut, 0) :]
    try:
        picture = load_image(bytes(data))
    except ImageError as error:
        reason = str(error)
        event(reason[:12])
    else:
        reason = "none, it is a picture"
        assert picture.mode == "RGB"
    assert 0 < len(reason) < 200


@given(st.binary(max_size=64))
def test_any_bytes_give_rgb_or_a_reason(data):
    with pytest.raises(ImageError):
        load_image(data)


# --- the real broken folder ------------------------------------------------------------------


@needs_data
def test_broken_bad_files_have_reasons_and_ok_files_are_read():
    reasons = {}
    for item in read_catalog(str(BROKEN)).items:
        try:
            picture = load_image(item.image.read(), at_least=224)
        except ImageError as error:
            reasons[item.id] = str(error)
        else:
            assert picture.mode == "RGB"
    assert reasons == {
        "bad_bomb_30000x30000.png": "900 megapixels is more than the limit of 152 megapixels",
        "bad_empty.jpg": "empty file",
        "bad_header_only.jpg": "truncated or damaged JPEG: its header can't be read",
        "bad_html.jpg": "not an image: starts with '<!doctype html><html><bo'",
        "bad_text.jpg": "not an image: starts with 'this is not an image thi'",
        "bad_truncated.jpg": "truncated",
    }


@needs_data
@pytest.mark.parametrize(
    "names",
    [
        ("same_stem.jpg", "ok_png_named.jpg", "ok_cmyk.jpg", "ok_cutout_alpha.png"),
        ("ok_upper.JPG", "ok_dot.name.v2.jpeg", "ok_ünïcode 名前.jpg"),
    ],
)
def test_broken_one_garment_in_several_files_is_nearly_one_picture(names):
    first, *others = (load_image((BROKEN / name).read_bytes()) for name in names)
    for other in others:
        assert difference(first, other) < 8


# --- markup ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (
            "<p>Women&#39;s&nbsp;<b>Navy</b> Dress &amp; belt<br/></p><script>x</script>",
            "Women's Navy Dress & belt",
        ),
        ("I <3 NY tee, size < 40, 5 > 3", "I <3 NY tee, size < 40, 5 > 3"),
        ("Red<br>dress<li>belt", "Red dress belt"),
        ("<b>N</b>avy", "Navy"),
        ("&lt;p&gt;Red&lt;/p&gt; &amp;amp; blue", "Red & blue"),
        ("<style>p{color:red}</style>Red<!-- <b>x</b> -->dress", "Red dress"),
        ("Red <script>never closed", "Red"),
        ("<a href=\"x>y\" title='it>'>Red</a>", "Red"),
        ("<p class=it's>Red", "Red"),
        ("<![CDATA[Red dress]]>", "Red dress"),
        ("  Red\t\n\u00a0\u2003dress\u200b\u00ad ", "Red dress"),
        ("Cafe\u0301", "Café"),
        ("H&M AT&T R&B", "H&M AT&T R&B"),
        ("NA", "NA"),
        ("", ""),
        ("<img src=x onerror=alert(1)>", ""),
    ],
)
def test_markup_goes_and_text_stays(raw, text):
    assert clean_title(raw) == text


@given(st.text(alphabet=st.sampled_from(list("ab <>/&;'\"=!-#3é\u0301\n")), max_size=40))
def test_cleaning_is_finished_after_one_pass(raw):
    once = clean_title(raw)
    assert clean_title(once) == once
    assert once == unicodedata.normalize("NFC", " ".join(once.split()))


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", ["<", "<a '", '<a "', "<script", "<!--", "&amp;", "<b ", "&lt;"])
def test_hostile_titles_take_no_time(piece):
    clean_title(piece * 20_000)


@pytest.mark.parametrize(
    ("start", "ending"),
    [
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"MM\x00*", ".tif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", ".webp"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", ""),
        (b"BM\x76\x00\x00\x00\x00\x00\x00\x00", ".bmp"),
        (b"BMW of 1980", ""),
        (b"\x00\x00\x00\x1cftypavif", ".avif"),
        (b"\x00\x00\x00\x18ftypmif1", ".heic"),
        (b"\x00\x00\x00\x18ftypmp42", ""),
        (b"<!doctype html>", ""),
        (b"", ""),
    ],
)
def test_a_file_is_told_by_how_it_begins(start, ending):
    assert ending_of(start) == ending
