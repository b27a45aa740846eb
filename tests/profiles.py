"""Colour profiles for tests, and pictures in them."""

import io
import struct

import numpy as np
from PIL import Image, ImageCms

from fashiontag.catalog.colours import ADOBE_GAMMA, ADOBE_RGB, SRGB, rgb_profile

P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
PROPHOTO = (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585)
SWAPPED = (*SRGB[4:6], *SRGB[2:4], *SRGB[0:2], *SRGB[6:])  # its red is blue

PROFILES = {
    "Adobe RGB": rgb_profile(ADOBE_RGB, ADOBE_GAMMA),
    "Display P3": rgb_profile(P3, 2.2),
    "ProPhoto": rgb_profile(PROPHOTO, 1.8),
    "swapped primaries": rgb_profile(SWAPPED, 2.2),
    "linear": rgb_profile(SRGB, 1.0),
}
USUAL = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def written_in(picture, profile):
    """Return the pixels that a program which works in a profile's space stores of a picture."""
    return ImageCms.profileToProfile(
        picture,
        ImageCms.createProfile("sRGB"),
        io.BytesIO(profile),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )


def _profile(space, tags):
    at = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, tag in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(tag))
        body += tag + b"\0" * (-len(tag) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x3i48x",
        *(at + len(body), 0x02400000, b"mntr" if space == b"GRAY" else b"prtr", space),
        *(b"XYZ " if space == b"GRAY" else b"Lab ", b"acsp", 63190, 65536, 54061),
    )
    return head + table + body


def grey_profile(gamma):
    white = struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061)
    curve = struct.pack(">4s4xIHxx", b"curv", 1, round(gamma * 256))
    return _profile(b"GRAY", {b"wtpt": white, b"kTRC": curve})


def ink_profile():
    """A printer's, of two steps an ink, whose cyan prints red and whose black is ink too."""
    white = struct.pack(">4s4x3i", b"XYZ ", 63190, 65536, 54061)
    ramp = bytes(range(256))
    grid = [
        (0 if black else 255 - 120 * cyan, 128 + (70 * cyan if not black else 0), 128)
        for cyan in (0, 1)
        for _ in range(4)  # magenta and yellow are water
        for black in (0, 1)
    ]
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 2) + matrix + ramp * 4
    table += bytes(np.array(grid, np.uint8)) + ramp * 3
    return _profile(b"CMYK", {b"wtpt": white, b"A2B0": table, b"A2B1": table})


def colourful(width=60, height=80):
    """Four strong colours and a grey, none so strong that sRGB couldn't hold it."""
    picture = Image.new("RGB", (width, height), (240, 240, 240))
    colours = ((190, 40, 40), (40, 150, 60), (40, 60, 170), (120, 120, 120))
    for number, colour in enumerate(colours):
        picture.paste(colour, (number * width // 4, 0, (number + 1) * width // 4, height))
    return picture
