"""Colour profiles and what else says how colours are meant; metadata that must spoil no pixels."""

import io
import struct
import zlib

import numpy as np
import profiles
import pytest
from PIL import Image, ImageCms
from profiles import PROFILES, colourful

from fashiontag.catalog import colours, item_of
from fashiontag.catalog.colours import SRGB
from fashiontag.catalog.images import load_image

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
KINDS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"]
BEST = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}


def encoded(picture, kind="PNG", **options):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    out = io.BytesIO()
    picture.save(out, kind, **BEST.get(kind, {}), **options)
    return out.getvalue()


def difference(one, other):
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


def in_space(name):
    return profiles.written_in(colourful(), PROFILES[name])


# --- profiles --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_makes_the_colours_that_were_meant(name, kind):
    stored = in_space(name)
    data = encoded(stored, kind, icc_profile=PROFILES[name])
    allowed = 6 if kind in {"AVIF", "HEIF"} else 2
    assert difference(load_image(data), colourful()) < allowed
    assert difference(stored, colourful()) > allowed + 2  # what was seen of it before


@pytest.mark.parametrize("name", PROFILES)
def test_a_picture_in_memory_has_its_profile_and_its_exif_honoured_once(name):
    stored = in_space(name)
    exif = Image.Exif()
    exif[0x0112] = 3
    data = encoded(stored, "PNG", icc_profile=PROFILES[name], exif=exif.tobytes())
    wanted = colourful().transpose(Image.Transpose.ROTATE_180)
    opened = Image.open(io.BytesIO(data))
    for asked in (data, opened):
        got = load_image(item_of(asked, None, "x").image.read())
        assert difference(got, wanted) < 2
    stored.info["icc_profile"] = PROFILES[name]
    assert difference(load_image(item_of(stored, None, "x").image.read()), colourful()) < 2


@pytest.mark.parametrize("mode", ["RGBA", "P", "PA", "RGB and one colour"])
def test_a_profile_holds_under_transparency_and_in_palettes(mode):
    stored = in_space("swapped primaries")
    options = {"icc_profile": PROFILES["swapped primaries"]}
    wanted = colourful()
    if mode in {"RGBA", "PA"}:
        alpha = Image.new("L", stored.size, 255)
        alpha.paste(0, (0, 0, 60, 20))
        wanted.paste((255, 255, 255), (0, 0, 60, 20))
        stored = stored if mode == "RGBA" else stored.convert("P")
        stored.putalpha(alpha)
    elif mode == "P":
        stored = stored.convert("P", palette=Image.Palette.ADAPTIVE)
    else:
        options["transparency"] = stored.getpixel((1, 1))
        wanted.paste((255, 255, 255), (0, 0, 15, 80))
    data = encoded(stored, "PNG" if mode != "PA" else "TIFF", **options)
    assert difference(load_image(data), wanted) < 3 + 12 * (mode == "PA")  # a palette of the web


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_grey_profile_is_one_for_grey(deep, alpha):
    if deep and alpha:
        pytest.skip("no such mode")
    grey = Image.new("L", (20, 20), 128)
    if deep:
        ramp = np.full((20, 20), 32768, np.uint16)
        ramp[0, 0] = 65535
        grey = Image.fromarray(ramp)
    if alpha:
        grey.putalpha(255)
    data = encoded(grey, "PNG" if not deep else "TIFF", icc_profile=profiles.grey_profile(1.0))
    assert load_image(data).getpixel((9, 9)) == pytest.approx((188, 188, 188), abs=1)


def test_inks_print_what_their_profile_says():
    """Without one they are as ever; as with YCCK, the way Photoshop writes a CMYK JPEG."""
    ink = Image.new("CMYK", (40, 40), (255, 0, 0, 0))
    ink.paste((0, 0, 0, 0), (0, 0, 40, 20))
    for kind in ("JPEG", "TIFF"):
        plain = load_image(encoded(ink, kind))
        assert plain.getpixel((20, 35)) == pytest.approx((0, 255, 255), abs=3)
        data = encoded(ink, kind, icc_profile=profiles.ink_profile())
        red, green, blue = load_image(data).getpixel((20, 35))
        assert red > max(green, blue) + 60
        assert min(load_image(data).getpixel((20, 5))) > 250


def test_lab_is_a_picture():
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    data = encoded(to_lab.apply(colourful()), "TIFF")
    assert difference(load_image(data), colourful()) < 3


def damaged():
    good = PROFILES["swapped primaries"]
    noise = np.random.default_rng(0).bytes(3000)
    return {
        "noise": noise,
        "cut short": good[:200],
        "its body is noise": good[:128] + noise,
        "of inks": profiles.ink_profile(),
        "of grey": profiles.grey_profile(1.0),
        "a text": b"sRGB",
        "too large": good + bytes(9 * 2**20),
    }


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("what", damaged())
def test_a_damaged_profile_is_ignored(what, kind):
    profile = damaged()[what]
    if kind == "JPEG" and len(profile) > 2**20:
        pytest.skip("more than a JPEG holds in Pillow")
    data = encoded(colourful(), kind, icc_profile=profile)
    assert difference(load_image(data), colourful()) < 2


def test_srgb_costs_nothing(monkeypatch):
    load_image(encoded(colourful(), icc_profile=profiles.USUAL))  # looked at once
    monkeypatch.setattr(ImageCms, "buildTransform", lambda *_: pytest.fail("made again"))
    monkeypatch.setattr(ImageCms.ImageCmsTransform, "apply", lambda *_: pytest.fail("applied"))
    data = encoded(colourful(), icc_profile=profiles.USUAL)
    assert difference(load_image(data), colourful()) == 0


def test_a_jpeg_with_a_profile_is_still_decoded_smaller(monkeypatch):
    big = in_space("Adobe RGB").resize((1200, 1600))
    data = encoded(big, "JPEG", icc_profile=PROFILES["Adobe RGB"])
    small = load_image(data, at_least=100)
    assert small.size == (300, 400)
    assert difference(small, colourful().resize((300, 400))) < 3


def test_without_littlecms_colours_are_as_stored(monkeypatch):
    monkeypatch.setattr(ImageCms, "buildTransform", lambda *_: (_ for _ in ()).throw(ImportError))
    colours._transform.cache_clear()
    stored = in_space("ProPhoto")
    assert difference(load_image(encoded(stored, icc_profile=PROFILES["ProPhoto"])), stored) == 0
    colours._transform.cache_clear()


# --- what says it without a profile ----------------------------------------------------------


def chunk(name, body, *, wrong=False):
    check = zlib.crc32(name + body) ^ wrong
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", check)


def png_with(*chunks, picture=None, end=False):
    data = encoded(picture or colourful())
    at = len(data) - 12 if end else 33
    return data[:at] + b"".join(chunks) + data[at:]


def gama(value):
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(primaries):
    ordered = (*primaries[6:], *primaries[:6])
    return chunk(b"cHRM", struct.pack(">8I", *(round(100_000 * number) for number in ordered)))


@pytest.mark.parametrize(
    ("name", "chunks"),
    [
        ("linear", [gama(100_000)]),
        ("linear", [gama(100_000), chrm(SRGB)]),
        ("Display P3", [chrm(profiles.P3)]),
        ("swapped primaries", [gama(45_455), chrm(profiles.SWAPPED)]),
    ],
)
def test_a_png_may_say_its_gamma_and_its_primaries(name, chunks):
    got = load_image(png_with(*chunks, picture=in_space(name)))
    assert difference(got, colourful()) < 2


@pytest.mark.parametrize(
    "chunks",
    [
        [gama(45_455)],
        [gama(45_455), chrm(SRGB)],
        [chunk(b"sRGB", b"\0"), gama(100_000)],
        [gama(0)],
        [gama(1)],
        [chrm((0,) * 8)],
        [chrm((0.3, 0.3) * 4)],
        [chunk(b"gAMA", b"")],
        [chunk(b"cHRM", b"abc")],
    ],
)
def test_what_a_png_says_is_ignored_where_it_is_srgb_or_nonsense(chunks):
    assert difference(load_image(png_with(*chunks)), colourful()) == 0


@pytest.mark.parametrize(("space", "version"), [(0xFFFF, "R03"), (2, "R98")])
@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_a_camera_set_to_adobe_rgb_is_believed(kind, space, version):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = space
    exif.get_ifd(0x8769)[0xA005] = {1: version}
    data = encoded(in_space("Adobe RGB"), kind, exif=exif.tobytes())
    assert difference(load_image(data), colourful()) < 2


@pytest.mark.parametrize(("space", "version"), [(1, "R98"), (0xFFFF, "R98"), (0xFFFF, None)])
def test_other_marks_of_a_camera_change_nothing(space, version):
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA001] = space
    if version:
        exif.get_ifd(0x8769)[0xA005] = {1: version}
    data = encoded(colourful(), "JPEG", exif=exif.tobytes())
    assert difference(load_image(data), colourful()) < 2


# --- metadata that a decoder stumbles over -----------------------------------------------------

MUCH = zlib.compress(bytes(3_000_000))
NOISE = np.random.default_rng(1).bytes(60_000)


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize(
    "chunks",
    [
        [chunk(b"zTXt", b"k\0\0" + MUCH)],
        [chunk(b"iTXt", b"k\0\1\0\0\0" + MUCH)],
        [chunk(b"iTXt", b"k\0\0\0\0\0" + bytes(2_000_000))],
        [chunk(b"tEXt", b"k%d\0" % n + bytes(1_000_000)) for n in range(70)],
        [chunk(b"tEXt", b"k\0v", wrong=True)],
        [chunk(b"zTXt", b"k\0\5" + MUCH)],
        [chunk(b"iCCP", b"k\0\0" + MUCH)],
        [chunk(b"iCCP", b"k\0")],
        [chunk(b"eXIf", NOISE)],
        [chunk(b"pHYs", b"")],
    ],
    ids=lambda chunks: f"{chunks[0][4:8].decode()} {len(chunks[0])}",
)
def test_metadata_of_a_png_never_spoils_its_pixels(chunks, end):
    assert difference(load_image(png_with(*chunks, end=end)), colourful()) == 0


def segment(marker, body):
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.parametrize(
    "segments",
    [
        [segment(0xEE, b"Adobe")],
        [segment(0xE0, b"JFIF")],
        [segment(0xE2, b"ICC_PROFILE\0")],
        [segment(0xE2, b"ICC_PROFILE\0" + bytes([n % 256, 255]) + NOISE) for n in range(300)],
        [segment(0xE1, b"Exif\0\0" + NOISE)] * 50,
        [segment(0xED, b"Photoshop 3.0\0" + NOISE)] * 100,
        [segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\xff\xff\xff\xff")],
        [segment(0xE2, b"MPF\0junk")],
        [segment(0xE2, b"MPF\0MM\0*" + NOISE)],
        [segment(0xFE, NOISE)] * 200,
        [segment(0xE5, b"x")] * 20_000,
    ],
    ids=lambda segments: f"{segments[0][1]:x} {len(segments)}",
)
def test_metadata_of_a_jpeg_never_spoils_its_pixels(segments):
    data = encoded(colourful(), "JPEG")
    data = data[:2] + b"".join(segments) + data[2:]
    assert difference(load_image(data), colourful()) < 2


def test_what_colours_and_the_way_up_need_outlives_other_metadata():
    exif = Image.Exif()
    exif[0x0112] = 3
    options = {"icc_profile": PROFILES["ProPhoto"], "exif": exif.tobytes()}
    wanted = colourful().transpose(Image.Transpose.ROTATE_180)
    png = encoded(in_space("ProPhoto"), "PNG", **options)
    png = png[:33] + chunk(b"zTXt", b"k\0\0" + MUCH) + png[33:]
    jpeg = encoded(in_space("ProPhoto"), "JPEG", **options)
    jpeg = jpeg[:2] + segment(0xE0, b"JFIF") + jpeg[2:]
    for data in (png, jpeg):
        assert difference(load_image(data), wanted) < 2


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "GIF", "AVIF"])
def test_metadata_of_other_kinds_never_spoils_their_pixels(kind):
    options = {
        "WEBP": {"exif": NOISE, "xmp": NOISE, "icc_profile": NOISE},
        "TIFF": {"icc_profile": NOISE, "description": "x" * 60_000},
        "GIF": {"comment": NOISE},
        "AVIF": {"icc_profile": NOISE, "xmp": NOISE},
    }[kind]
    assert difference(load_image(encoded(colourful(), kind, **options)), colourful()) < 6


def test_a_phones_second_picture_is_left_out():
    """MPO: two JPEGs in one file, as phones and stereo cameras write them."""
    out = io.BytesIO()
    other = Image.new("RGB", (60, 80), "white")
    colourful().save(out, "MPO", save_all=True, append_images=[other], quality=100, subsampling=0)
    assert difference(load_image(out.getvalue(), at_least=30), colourful()) < 2
