"""What can be measured of a picture without knowing what it shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageChops, ImageFilter
from scipy import ndimage

from fashiontag.catalog.images import load_image, size_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRINT = 16
"""The side of a print in pixels: enough to tell two black wallets apart."""

SHARP_FROM = 150
"""Pixels of the shorter side below which a picture is small, and neither blurred nor written on."""

_SIDE = 224  # pixels of the longer side at which pictures are compared
_INK = 22  # levels of 255 by which a letter differs from what is around it
_SPECKS = 0.01  # of a column's pixels: dust between two things
_THING = 0.03  # of a picture, the least that is a thing of its own
_TWIN = 0.6  # correlation of pixels of the two of a pair
_DARK_INK = 40  # as dark as this letters are black, whatever is around them
_CONTENT = 20  # levels by which a product differs from the middle of the frame's edge
_LEAST_LETTERS = 4
_MOST_SHAPES = 1500  # more are a texture
_BAR = 0.04  # of a side, the least that is a bar
_LIGHT = 235  # a bar as light is a margin


@dataclass(frozen=True, slots=True)
class Quality:
    """One picture.

    Attributes
    ----------
    size : tuple of int
        Width and height in pixels, as stored.
    bytes : int
    print : ndarray of shape (16, 16, 3), uint8
        The content without its margins, small.
    things : int
        Those that stand side by side and look unlike: one shoe beside the other isn't counted.
    blur : float, in [0, 1]
        How little changes if it is blurred again (Crété-Roffet et al., SPIE 2007), at 224 pixels.
    light : float, in [0, 255]
        The level that a twentieth of its pixels exceeds.
    bars : float, in [0, 1]
        The share of its height or width that bars of one colour take, light ones aside.
    text : float, at least 0
        Letters on the longest line of text, less where the line is short or the whole picture is
        of such shapes, as a pattern is.

    From blur on, all are a faultless picture's where the shorter side is below `SHARP_FROM`.
    """

    size: tuple[int, int]
    bytes: int
    print: NDArray[np.uint8]
    things: int = 1
    blur: float = 0.0
    light: float = 255.0
    bars: float = 0.0
    text: float = 0.0


def look_at(data: bytes) -> Quality:
    """Measure a picture; `ImageError` if it can't be read."""
    size = size_of(data)
    picture = load_image(data, at_least=_SIDE // 2)
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BILINEAR)
    grey = picture.convert("L")
    pixels = np.asarray(grey, np.float32)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    content = np.abs(pixels - np.median(edge)) > _CONTENT
    print_ = _print(picture, content)
    if min(size) < SHARP_FROM:
        return Quality(size, len(data), print_)
    return Quality(
        size,
        len(data),
        print_,
        things=_things(picture, content),
        blur=_blur(grey, pixels),
        light=float(np.percentile(pixels, 95)),
        bars=max(_bars(pixels), _bars(pixels.T)),
        text=_text(picture, grey),
    )


def _blur(grey: Image.Image, pixels: NDArray[np.float32]) -> float:
    again = np.asarray(grey.filter(ImageFilter.BoxBlur(3)), np.float32)
    found = []
    for axis in (0, 1):
        steps = np.abs(np.diff(pixels, axis=axis))
        lost = np.maximum(0, steps - np.abs(np.diff(again, axis=axis)))
        found.append(1 - lost.sum() / max(float(steps.sum()), 1e-6))
    return float(max(found))


def _bars(pixels: NDArray[np.float32]) -> float:
    """Return the share of rows in bars at top and bottom, cut off by straight lines."""
    even = np.ptp(pixels, axis=1) < _CONTENT
    rows = np.flatnonzero(~even)
    if not len(rows):
        return 0.0
    first, last, height = int(rows[0]), int(rows[-1]), len(pixels)
    share = 0.0
    for count, edge, inner in ((first, 0, first), (height - 1 - last, height - 1, last)):
        colour = float(pixels[edge].mean())
        if count >= _BAR * height and colour < _LIGHT:
            share += count / height * (np.abs(pixels[inner] - colour) > _CONTENT).mean().round()
    return share


def _text(picture: Image.Image, grey: Image.Image) -> float:
    """Find letters: components of even height in a row, darker or lighter than what is around.

    Also redder, as sales are written, or black: these show where the ground isn't one, at the edge
    of a product or over its pattern. On `val` they find .80 of written pictures for .63 without.
    """
    red, green, blue = picture.split()
    redness = ImageChops.subtract(red, ImageChops.lighter(green, blue))
    levels = _above_around(grey)
    inks = (levels > _INK, levels < -_INK, _above_around(redness) > _INK)
    return max(map(_longest_line, (*inks, np.asarray(grey) < _DARK_INK)))


def _above_around(grey: Image.Image) -> NDArray[np.int16]:
    around = grey.filter(ImageFilter.BoxBlur(max(4, grey.height // 18)))
    return np.asarray(grey, np.int16) - np.asarray(around, np.int16)


def _longest_line(ink: NDArray[np.bool_]) -> float:
    """Return how many letters stand in a row; see `Quality.text` for what counts less."""
    if not ink.any():
        return 0.0
    found, count = ndimage.label(ink)
    if not _LEAST_LETTERS <= count <= _MOST_SHAPES:
        return 0.0
    height, width = ink.shape
    area = np.bincount(found.ravel(), minlength=count + 1)[1:]
    places = ndimage.find_objects(found)
    box = np.array([(x.start, x.stop, y.start, y.stop) for y, x in places])
    wide, high = box[:, 1] - box[:, 0], box[:, 3] - box[:, 2]
    letter = (high >= 0.03 * height) & (high <= 0.16 * height) & (wide <= 1.6 * high)
    letter &= (wide >= 0.08 * high) & (area >= 0.18 * wide * high)
    box = box[letter]
    box = box[np.argsort(box[:, 0], kind="stable")]
    high, total = box[:, 3] - box[:, 2], len(box)
    near = 0.12 * high[:, None] + 1
    line = (np.abs(box[:, 2] - box[:, 2, None]) <= near) & (
        np.abs(box[:, 3] - box[:, 3, None]) <= near
    )
    best = 0.0
    for start in np.flatnonzero(line.sum(axis=1) >= _LEAST_LETTERS):
        letters, right = 0, box[start, 0]
        for left, end in box[line[start]][:, :2].tolist():
            if right - 1 <= left <= right + 1.2 * high[start]:
                letters, right = letters + 1, end
        if letters >= _LEAST_LETTERS:
            span = min(1.0, (right - box[start, 0]) / (0.5 * width))
            best = max(best, letters * span * (letters / total) ** 0.5)
    return float(best)


def _things(picture: Image.Image, content: NDArray[np.bool_]) -> int:
    """Count what stands side by side with nothing between, twins of another left out.

    What is above another isn't counted: a white shirt on white parts a head from trousers.
    """
    filled = np.concatenate([[False], content.mean(axis=0) > _SPECKS, [False]])
    edges = np.flatnonzero(np.diff(filled)).reshape(-1, 2)
    prints: list[NDArray[np.float32]] = []
    for left, right in edges.tolist():
        rows = np.flatnonzero(content[:, left:right].any(axis=1))
        if content[:, left:right].sum() < _THING * content.size:
            continue
        part = picture.crop((left, rows[0], right, rows[-1] + 1)).resize((PRINT, PRINT))
        pixels = np.asarray(part, np.float32)
        pixels -= pixels.mean(axis=(0, 1))
        pixels /= max(1.0, float(np.linalg.norm(pixels)))
        known = (turned for one in prints for turned in (one, one[:, ::-1]))
        if all(float((pixels * one).sum()) < _TWIN for one in known):
            prints.append(pixels)
    return max(1, len(prints))


def _print(picture: Image.Image, content: NDArray[np.bool_]) -> NDArray[np.uint8]:
    rows, columns = np.flatnonzero(content.any(axis=1)), np.flatnonzero(content.any(axis=0))
    if len(rows) >= 8 and len(columns) >= 8:
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        picture = picture.crop(box)
    return np.asarray(picture.resize((PRINT, PRINT), Image.Resampling.BOX), np.uint8)
