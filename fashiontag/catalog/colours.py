"""A picture's own colour space to sRGB, which is what models were trained on and pages show."""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

# As in `images`: imported here, so that many threads may meet their first profile at once.
from PIL import Image, ImageCms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Printers' profiles have 0.5 to 3 MB; what is larger is padding or an attack, and is ignored.
_LARGEST_PROFILE = 8 * 2**20
# Nobody sees two levels of 255. The usual sRGB profiles differ by one, Display P3 by 100.
_SAME = 2
# PNG writers say 1/2.2 and mean sRGB, whose curve isn't a power.
_GAMMA, _NEARLY = 2.2, 0.1

_EXIF, _COLOUR_SPACE, _INTEROPERABILITY = 0x8769, 0xA001, 0xA005
_UNCALIBRATED, _EXIF_ADOBE = 0xFFFF, 2

# x and y of red, green, blue and white in CIE 1931.
SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
ADOBE_RGB = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
ADOBE_GAMMA = 563 / 256

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)


def to_srgb(picture: Image.Image) -> Image.Image:
    """Return a loaded picture in sRGB: as it is where it says nothing, sRGB, or nonsense.

    An embedded profile counts first, then what a PNG says of its primaries and its gamma, then the
    mark of a camera that is set to Adobe RGB. Transparency is kept.

    Parameters
    ----------
    picture : PIL.Image.Image
        Of at most 8 bits a channel.
    """
    profile = _profile(picture)
    if profile is None:
        return picture
    grey = picture.mode in {"1", "L", "LA", "La"}
    mode = "L" if grey else picture.mode if picture.mode in {"CMYK", "LAB"} else "RGB"
    transform = _transform(profile, mode)
    if transform is None:
        return picture
    if not picture.has_transparency_data:
        return transform.apply(picture if picture.mode == mode else picture.convert(mode))
    layer = picture.convert("LA" if grey else "RGBA")
    plain = transform.apply(layer.convert(mode))
    plain.putalpha(layer.getchannel("A"))
    return plain


def rgb_profile(primaries: Sequence[float], gamma: float) -> bytes:
    """Return an ICC profile, version 2, of three primaries and a power.

    Specification ICC.1:2001-04; white is adapted to D50 by Bradford's matrix.

    Parameters
    ----------
    primaries : sequence of 8 float
        x and y of red, green, blue and white.
    gamma : float
        Light is the stored value, in [0, 1], to this power.

    Raises
    ------
    ValueError
        If the numbers make no colour space.
    """
    x, y = np.reshape(np.asarray(primaries, dtype=float), (4, 2)).T
    if not (np.isfinite([*x, *y, gamma]).all() and y.min() > 0 and 0.1 <= gamma <= 10):
        raise ValueError("no colour space")
    xyz = np.array([x / y, np.ones(4), (1 - x - y) / y])
    white = xyz[:, 3]
    columns = xyz[:, :3] * np.linalg.solve(xyz[:, :3], white)  # LinAlgError is a ValueError
    scale = np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white))
    columns = np.linalg.solve(_BRADFORD, scale @ _BRADFORD) @ columns
    curve = struct.pack(">4s4xIHxx", b"curv", 1, round(gamma * 256))
    tags = {
        **{name: _point(column) for name, column in zip(_COLUMNS, columns.T, strict=True)},
        b"wtpt": _point(_D50),
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(tag))
        body += tag
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x",
        at + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp", *_fixed(_D50),
    )  # fmt: skip
    return head + table + body


_COLUMNS = (b"rXYZ", b"gXYZ", b"bXYZ")


def _point(xyz: NDArray[np.float64]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *_fixed(xyz))


def _fixed(values: NDArray[np.float64]) -> list[int]:
    return [round(value * 65536) for value in values.tolist()]


def _profile(picture: Image.Image) -> bytes | None:
    """Return the profile of a picture's colours, None where sRGB is to be believed."""
    if picture.mode == "LAB":
        return b""
    info = picture.info
    profile = info.get("icc_profile")
    if isinstance(profile, bytes) and profile:
        return profile if len(profile) <= _LARGEST_PROFILE else None
    if picture.mode == "CMYK" or "srgb" in info:
        return None
    if "gamma" in info or "chromaticity" in info:
        return _of_png(info)
    return rgb_profile(ADOBE_RGB, ADOBE_GAMMA) if _is_adobe_rgb(picture) else None


def _of_png(info: dict[str | tuple[int, int], object]) -> bytes | None:
    try:
        gamma = 1 / float(info.get("gamma", 1 / _GAMMA))  # type: ignore[arg-type]
        white_first = tuple(map(float, info.get("chromaticity", ())))  # type: ignore[call-overload]
        primaries = (*white_first[2:], *white_first[:2]) or SRGB
        usual = len(primaries) == 8 and np.allclose(primaries, SRGB, atol=0.01)
        if usual and abs(gamma - _GAMMA) < _NEARLY:
            return None
        return rgb_profile(primaries, gamma)
    except (TypeError, ValueError, ArithmeticError):
        return None


def _is_adobe_rgb(picture: Image.Image) -> bool:
    """Whether a camera says so, by a number that some write, or by the "R03" of DCF."""
    try:
        exif = picture.getexif()
        if _EXIF not in exif:
            return False
        space = exif.get_ifd(_EXIF).get(_COLOUR_SPACE)
        if space == _UNCALIBRATED:
            return str(exif.get_ifd(_INTEROPERABILITY).get(1, "")).startswith("R03")
        return bool(space == _EXIF_ADOBE)
    except Exception:  # damaged EXIF says nothing
        return False


@lru_cache(maxsize=16)  # a catalogue has few profiles, and making a transform takes milliseconds
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return what turns pixels of a mode into sRGB, None where that would change nothing.

    None too for a profile that is damaged, or one of other pixels: the picture is good without.
    White stays white, and black becomes black.
    """
    try:
        source = io.BytesIO(profile) if profile else ImageCms.createProfile("LAB")
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except Exception:  # among others an ImportError, where Pillow was built without LittleCMS
        return None
    if mode in {"L", "RGB"}:
        steps = np.linspace(0, 255, 9).round().astype(np.uint8)
        cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
        probe = Image.fromarray(cube).convert(mode)
        before, after = (
            np.asarray(some, dtype=np.int16)
            for some in (probe.convert("RGB"), transform.apply(probe))
        )
        if np.abs(after - before).max() <= _SAME:
            return None
    return transform
