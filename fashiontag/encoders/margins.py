"""Empty margins off a picture, where there is more of them than a product photo has.

Marketplaces want products in the middle of a white square, screens and feeds add bars to reach a
format, cut-outs come on a canvas of their own. A model that learned from photos in which products
fill the frame takes the small for another thing: of 120 test photos the embedded model named 72
types right, and 8 when each filled half of a white square.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from PIL import Image

    Box = tuple[int, int, int, int]  # Pillow's: left, top, and what is after right and bottom

# How far from the margin's colour is still margin, in levels of 255: above JPEG's noise once pixels
# are averaged, below the outline of a white shirt on white.
_NOISE = 10
_THUMBNAIL = 128  # one of its pixels is less than 1 % of the picture
_BARRED = 0.3  # of a side remain at least between bars: 16:9 on 9:16 leaves .32
_SHORT = 8  # of a line with fewer pixels, as a strip has, one colour says nothing

# How much of the model's frame the content fills, in height or width: over 90 % of the backbone's
# photos are above _LEAST. Only what is below is enlarged, to what is usual for its shape: a figure
# of half its height in width reaches from top to bottom. Chosen on `pool` and `val`, see
# benchmarks/results/frames.md.
_LEAST = 0.69
_SHAPES, _USUAL = (0.5, 0.75), (0.95, 0.83)
# A picture of a photo's shape is as its photographer framed it, who may have meant the earring to
# be small; there only what nearly nothing fills is enlarged.
_PHOTO_SHAPES = (0.6, 0.85)
_LEAST_OF_PHOTO = 0.33


def trim(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return a picture without bars and excess margin, the same object where it has none.

    It depends on nothing but the picture and the shape that the model takes. What remains has that
    shape as far as the picture allows, with the content in the middle.

    Parameters
    ----------
    image : PIL.Image.Image
        Upright RGB.
    size : tuple of int
        Height and width that the model takes.
    """
    step = max(1, round(max(image.size) / _THUMBNAIL))
    frame, content = _find(image.reduce(step) if step > 1 else image)
    if step > 1:
        frame, content = _enlarged(frame, step, image), _enlarged(content, step, image)
    box = frame if content == frame else _around(content, frame, size)
    return image if box == (0, 0, *image.size) else image.crop(box)


def _find(picture: Image.Image) -> tuple[Box, Box]:
    """Return what remains of a picture without its bars, and the content in that."""
    frame = (0, 0, *picture.size)
    while True:
        colour = _margin(picture)
        if colour is None:
            return frame, frame
        content = _unlike(picture, colour)
        rows = np.flatnonzero(content.any(axis=1)).tolist()
        if not rows:  # nothing but margin
            return frame, frame
        columns = np.flatnonzero(content.any(axis=0)).tolist()
        found = (columns[0] // 3, rows[0], columns[-1] // 3 + 1, rows[-1] + 1)
        left, top = frame[:2]
        box = (left + found[0], top + found[1], left + found[2], top + found[3])
        if not _ends_in_bars(content, found):
            return frame, box
        frame, picture = box, picture.crop(found)


def _margin(picture: Image.Image) -> list[int] | None:
    """Return the colour of the first side that has one: top, left, right, bottom."""
    width, height = picture.size
    if min(width, height) < _SHORT:
        return None
    right, bottom = width - 1, height - 1
    for line in (
        (0, 0, width, 1),
        (0, 0, 1, height),
        (right, 0, width, height),
        (0, bottom, width, height),
    ):
        ranges: Sequence[tuple[int, int]] = picture.crop(line).getextrema()  # type: ignore[assignment]
        if all(high - low <= 2 * _NOISE for low, high in ranges):
            return [(low + high) // 2 for low, high in ranges]
    return None


def _unlike(picture: Image.Image, colour: list[int]) -> NDArray[np.bool_]:
    """Whether a byte is more than noise away from its channel's colour: (height, 3 x width).

    Rows are flat: numpy takes five times as long over a last axis of three.
    """
    width, height = picture.size
    lows = [max(value - _NOISE, 0) for value in colour]
    spans = [min(value + _NOISE, 255) - low for value, low in zip(colour, lows, strict=True)]
    low, span = (np.frombuffer(bytes(values) * width, np.uint8) for values in (lows, spans))
    pixels = np.frombuffer(picture.tobytes(), np.uint8).reshape(height, 3 * width)
    # what is below wraps around, and so is above the span too
    content: NDArray[np.bool_] = pixels - low > span
    return content


def _ends_in_bars(content: NDArray[np.bool_], found: Box) -> bool:
    """Whether straight lines across the whole picture cut off what isn't most of it."""
    left, top, right, bottom = found
    height, width = content.shape[0], content.shape[1] // 3
    lines: list[NDArray[np.bool_]] = []
    if right - left == width and bottom - top > _BARRED * height:
        lines += [content[top]] * (top > 0)
        lines += [content[bottom - 1]] * (bottom < height)
    if bottom - top == height and right - left > _BARRED * width:
        lines += [content[:, 3 * left : 3 * left + 3]] * (left > 0)
        lines += [content[:, 3 * right - 3 : 3 * right]] * (right < width)
    return any(line.reshape(-1, 3).any(axis=1).all() for line in lines)


def _enlarged(box: Box, step: int, image: Image.Image) -> Box:
    left, top, right, bottom = (side * step for side in box)
    return left, top, min(right, image.width), min(bottom, image.height)


def _around(content: Box, frame: Box, size: tuple[int, int]) -> Box:
    """Return the part of the frame to keep: all, unless its content is small in the model's."""
    tall, wide = size
    left, top, right, bottom = content
    width, height = frame[2] - frame[0], frame[3] - frame[1]
    # the model's frame, with the content in it as high or as wide as it
    scale = max((right - left) / wide, (bottom - top) / tall)
    photo = _PHOTO_SHAPES[0] < width / height < _PHOTO_SHAPES[1]
    if scale >= (_LEAST_OF_PHOTO if photo else _LEAST) * max(width / wide, height / tall):
        return frame
    scale /= float(np.interp((right - left) / (bottom - top), _SHAPES, _USUAL))
    left, right = _middle(left, right, scale * wide, frame[0], frame[2])
    top, bottom = _middle(top, bottom, scale * tall, frame[1], frame[3])
    return left, top, right, bottom


def _middle(low: int, high: int, length: float, start: int, end: int) -> tuple[int, int]:
    """Return where `length` pixels around those from `low` to `high` begin and end, in a frame."""
    if length >= end - start:
        return start, end
    first = min(max(start, (low + high - length) / 2), end - length)
    return int(first), min(end, round(first + length))
