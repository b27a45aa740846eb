"""A picture's own pixels → how much they speak for each named colour, whatever model reads it.

Colour is in the pixels, and a tower that was trained on a shop's photos loses it on others: on
photos that people took at home the embedded model's best colour was black or white for five in six.
So a picture is also measured: of its pixels in a perceptual space (OKLab, Ottosson 2020) those
count that lie towards the middle and aren't of the border's colours, and a multinomial logistic
regression on their histogram says what sellers would call them. `benchmarks.fit_colours` makes its
table.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.names import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from fashiontag.labels import Group

    Floats = NDArray[np.float32]

SIDE = 64
"""Pictures are measured at this size, squeezed: colour doesn't need more."""

TABLE = Path(__file__).with_name("colours.safetensors")
"""``weights`` of shape (b, c) and ``offset`` of shape (c,); ``names``, in its header, has what
people call each of the c colours."""

_CELLS = 9  # along each axis of OKLab; 256 of the 729 cells are of colours that a screen shows
_CHROMA = 0.06  # of a cell, in OKLab's units
_BLUR = 0.03  # of what is seen, in OKLab's units
_SPREAD = 0.3  # of the weight that pixels towards the middle have, in sides
_BORDER = 3  # pixels
_LEAST = 0.02  # what a pixel of the border's colour counts: white on white is white
_MOST = 0.5  # of the border, for its colour to be the ground's
_NOISE = 24  # levels of 255 by which a ground of one colour may differ from its median

WHITE, PLAIN, BUSY = 1.0, -0.5, -1.0
"""What `ground` returns: a studio's white, any other one colour, or neither. 0 is of no picture."""


@cache
def _cells() -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the cell of each colour of 5 bits a channel, how near cells are, and which are white.

    Nearness, of shape (b, b), has rows that sum to 1: what is seen in a cell is seen around it too,
    for many a cell is of a colour that few products have.
    """
    level = np.arange(32) * 8 + 4
    rgb = np.stack(np.meshgrid(level, level, level, indexing="ij"), axis=-1).reshape(-1, 3) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    cone = np.array(  # https://bottosson.github.io/posts/oklab
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    found = np.cbrt(linear @ cone.T) @ lab.T
    half = _CELLS // 2
    steps = np.column_stack(
        [
            np.clip(found[:, 0] * _CELLS, 0, _CELLS - 1).astype(int),
            np.clip(np.round(found[:, 1:] / _CHROMA).astype(int), -half, half) + half,
        ]
    )
    code = steps @ [_CELLS**2, _CELLS, 1]
    seen, cell = np.unique(code, return_inverse=True)
    count = np.bincount(cell)
    centre = np.column_stack([np.bincount(cell, found[:, axis]) / count for axis in range(3)])
    away = ((centre[:, None] - centre[None]) ** 2).sum(axis=2)
    near = np.exp(-away / (2 * _BLUR**2))
    middle = half * _CELLS + half
    white = seen == (_CELLS - 1) * _CELLS**2 + middle
    return cell, near / near.sum(axis=1, keepdims=True), white


@cache
def _places() -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return how much each pixel's place counts, and which pixels are the border's."""
    away = ((np.arange(SIDE) - (SIDE - 1) / 2) / (_SPREAD * SIDE)) ** 2
    weight = np.exp(-(away[:, None] + away[None, :]) / 2).ravel()
    border = np.ones((SIDE, SIDE), np.bool_)
    border[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    return weight / weight.sum(), border.ravel()


def thumbnail(image: Image) -> NDArray[np.uint8]:
    """Return an upright RGB picture at the size at which it is measured, uint8."""
    from PIL.Image import Resampling

    # Pixels are picked, not averaged: a histogram wants the colours that are there.
    return np.asarray(image.resize((SIDE, SIDE), Resampling.NEAREST))


def histogram(pixels: NDArray[np.uint8]) -> Floats:
    """Return the product's share of each of b cells.

    Parameters
    ----------
    pixels : ndarray of shape (SIDE, SIDE, 3), uint8

    Returns
    -------
    ndarray of shape (b,), float32
        Square roots of shares that sum to 1: a few pixels of a rare colour count for more so.
    """
    near, cells = _cells()[1], _cells_of(pixels)
    weight, border = _places()
    whole = np.bincount(cells, weight, len(near))
    around = np.bincount(cells[border], minlength=len(near)) / border.sum()
    product = (np.maximum(whole - around, 0) + _LEAST * whole) @ near
    return np.asarray(np.sqrt(product / product.sum()), np.float32)


def ground(pixels: NDArray[np.uint8]) -> float:
    """Return what a picture's border says of where it was made: `WHITE`, `PLAIN` or `BUSY`.

    Parameters are those of `histogram`. A studio's grounds are of one colour: of 51 catalogue
    photos without a white one all are that do not cut through people, of 60 crops of a garden and
    a temple one in ten is.
    """
    border = _places()[1]
    if _cells()[2][_cells_of(pixels)[border]].mean() >= _MOST:
        return WHITE
    around = pixels.reshape(-1, 3)[border].astype(np.int16)
    alike = np.abs(around - np.median(around, axis=0)).max(axis=1) < _NOISE
    return PLAIN if alike.mean() >= _MOST else BUSY


def _cells_of(pixels: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the cell of each pixel, shape (SIDE * SIDE,)."""
    red, green, blue = (pixels[..., channel].ravel().astype(np.intp) >> 3 for channel in range(3))
    return np.asarray(_cells()[0][red << 10 | green << 5 | blue])


@cache
def _table() -> tuple[Floats, Floats, tuple[frozenset[str], ...]]:
    from safetensors import safe_open

    with safe_open(TABLE, framework="numpy") as file:
        weights, offset = file.get_tensor("weights"), file.get_tensor("offset")
        names = file.metadata()["names"].split("|")
    called = tuple(frozenset(map(fold, name.split(","))) for name in names)
    return weights.astype(np.float32), offset.astype(np.float32), called


@cache
def fingerprint() -> str:
    """Return what stands for the table, and what else is measured, where that is stored."""
    return "grounds-colours-" + hashlib.blake2b(TABLE.read_bytes(), digest_size=8).hexdigest()


def measure(pixels: NDArray[np.uint8]) -> Floats:
    """Return what a picture's pixels say of each colour.

    Parameters
    ----------
    pixels : ndarray of shape (SIDE, SIDE, 3), uint8

    Returns
    -------
    ndarray of shape (c + 1,), float32
        Logits of the colours, their mean 0, and the `ground`: a row of zeros is of no picture.
    """
    weights, offset, _ = _table()
    logits = histogram(pixels) @ weights + offset
    return np.append(logits - logits.mean(), ground(pixels)).astype(np.float32)


def size() -> int:
    """Return the length of what `measure` gives."""
    return len(_table()[1]) + 1


def columns(group: Group) -> NDArray[np.int64] | None:
    """Return the colour that each of a group's k labels is, -1 for those that aren't any.

    None for a group of other things: one of which fewer than half of the labels are colours.
    """
    called = _table()[2]
    found = [
        next(
            (
                at
                for word in (label.name, *label.words, *label.aliases)
                for at, names in enumerate(called)
                if fold(word) in names
            ),
            -1,
        )
        for label in group.labels
    ]
    several = len(found) > 2 and 2 * sum(at >= 0 for at in found) >= len(found)
    return np.array(found) if several else None
