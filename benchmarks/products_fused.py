"""Products of several photos: ``python -m benchmarks.products_fused``.

No data set here has several photos of a product, so products of two to six are made: one of each
family of `fashion-products` (with a sibling of its colour where there is one) and photos of
`clothing-small` taken by ordinary people; the other photos are what shops add: the back (mirrored,
without its details), details (crops), a swatch of the fabric, a size chart. The constants of
`fashiontag.heads.photos` are fitted on `pool` (``--fit``), and judged on another split.
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from benchmarks import products
from fashiontag.catalog.images import load_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator

SEED = 19
FIRST_IS_FRONT = 0.8
KINDS = {"front": 0.3, "back": 0.2, "detail": 0.25, "swatch": 0.15, "chart": 0.1}
"""How often a photo is which, the first aside."""


def front(photo: Image.Image, rng: Generator) -> Image.Image:
    """Move the camera a little."""
    width, height = photo.size
    left, top, right, bottom = rng.uniform(0, 0.1, 4)
    box = (left * width, top * height, width - right * width, height - bottom * height)
    return photo.crop(tuple(map(round, box)))


def back(photo: Image.Image, rng: Generator) -> Image.Image:
    """Mirror it, and take prints, buttons and collars away."""
    blurred = photo.filter(ImageFilter.GaussianBlur(photo.width * rng.uniform(0.02, 0.04)))
    return ImageOps.mirror(blurred)


def detail(photo: Image.Image, rng: Generator) -> Image.Image:
    """Cut out a third to a half of each side."""
    return _piece(photo, rng, rng.uniform(0.3, 0.5), 0.1)


def swatch(photo: Image.Image, rng: Generator) -> Image.Image:
    """Cut the fabric out of the middle."""
    return _piece(photo, rng, 0.1, 0.4).resize((200, 200), Image.Resampling.BICUBIC)


def chart(photo: Image.Image, rng: Generator) -> Image.Image:
    """Draw a table of sizes."""
    del photo
    rows, columns, cell = int(rng.integers(4, 9)), int(rng.integers(3, 6)), (60, 26)
    page = Image.new("RGB", (columns * cell[0] + 40, rows * cell[1] + 60), "white")
    pen = ImageDraw.Draw(page)
    pen.text((20, 10), "SIZE CHART (cm)", fill="black")
    heads = ["Size", "Chest", "Waist", "Hip", "Length"][:columns]
    for row in range(rows):
        texts = heads if row == 0 else [str(34 + 2 * row), *map(str, rng.integers(60, 120, 4))]
        for column, text in enumerate(texts[:columns]):
            corner = (20 + column * cell[0], 40 + row * cell[1])
            box = (*corner, corner[0] + cell[0], corner[1] + cell[1])
            pen.rectangle(box, fill="lightgrey" if row == 0 else "white", outline="black")
            pen.text((corner[0] + 6, corner[1] + 6), text, fill="black")
    return page


def _piece(photo: Image.Image, rng: Generator, side: float, margin: float) -> Image.Image:
    width, height = photo.size
    left = rng.uniform(margin, 1 - margin - side) if 1 - margin - side > margin else margin
    top = rng.uniform(margin, 1 - margin - side) if 1 - margin - side > margin else margin
    box = (left * width, top * height, (left + side) * width, (top + side) * height)
    return photo.crop(tuple(map(round, box)))


DRAW: dict[str, Callable[[Image.Image, Generator], Image.Image]] = {
    "front": front,
    "back": back,
    "detail": detail,
    "swatch": swatch,
    "chart": chart,
}


@dataclass(frozen=True)
class Made:
    """One photo of a made product."""

    path: str
    product: str
    kind: str


def make(split: str, folder: Path, most: int | None = None) -> list[Made]:
    """Make products of one split's families, or of ``ordinary`` photos, as files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    made: list[Made] = []
    for key, siblings in list(_ordinary() if split == "ordinary" else _families(split, rng))[:most]:
        opened = [load_image(path.read_bytes()) for path in siblings]
        for position in range(int(rng.integers(2, 7))):
            kind = "front"
            if position or rng.random() > FIRST_IS_FRONT:
                kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
            photo = opened[int(rng.integers(len(opened)))] if position else opened[0]
            name = f"{key}-{position}-{kind}.png"
            DRAW[kind](photo, rng).save(folder / name)
            made.append(Made(name, key, kind))
    with (folder / "made.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "product", "kind"))
        writer.writerows((one.path, one.product, one.kind) for one in made)
    return made


def _families(split: str, rng: Generator) -> Iterator[tuple[str, list[Path]]]:
    """Yield one product of each family, with its photo and those of siblings of its colour."""
    some = products.load([split])
    images = products.data_folder() / "fashion-products" / "images"
    for family in rng.permutation(np.unique(some.families)):
        rows = np.flatnonzero(some.families == family)
        colours = some.attributes["baseColour"][rows]
        alike = rows[colours == colours[0]]
        yield str(some.ids[rows[0]]), [images / f"{some.ids[row]}.jpg" for row in alike]


def _ordinary() -> Iterator[tuple[str, list[Path]]]:
    folder = products.data_folder() / "clothing-small" / "validation"
    for path in sorted(folder.glob("*/*.jpg")):
        yield f"{path.parent.name}-{path.stem}", [path]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    for split, most in (("pool", 900), ("val", 900), ("ordinary", None)):
        print(split, len(make(split, given.folder / split, most)))
