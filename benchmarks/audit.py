"""Does the audit find what is wrong? ``python -m benchmarks.audit``.

Faults are planted in the products of ``test`` (titles plain; constants were chosen on ``val`` with
the same plants): photos and titles exchanged between types and between colours, wrong cells of the
type's and the colour's column, listings copied with a changed photo, and photos blurred, shrunk,
written on, or of nothing. Then `fashiontag.workflows.audit.audit` looks for them, beside cleanlab
alone and beside a plain compare of tags with columns. Written to ``benchmarks/results/audit.md``.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from benchmarks.lab.data import EMPTY, rows_by_id
from benchmarks.products import data_folder
from examples.drawing import NOTHING_KINDS, draw_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Row = dict[str, str]
CATEGORY = ("masterCategory", "subCategory", "articleType")
LARGE = 224  # pixels of the shorter side: photos that pictures' faults are planted in


@dataclass
class Planted:
    """A catalogue with faults.

    Attributes
    ----------
    folder : Path
        With ``images/`` and ``titles.csv``.
    faults : dict of str to dict of str to str
        By kind, the ids at fault, and what is wrong with each: its twin where there is one.
    families : dict of str to str
        By id.
    """

    folder: Path
    faults: dict[str, dict[str, str]] = field(default_factory=dict)
    families: dict[str, str] = field(default_factory=dict)


class Planter:
    """Plants faults in distinct products of a split."""

    def __init__(self, split: str, folder: Path, seed: int) -> None:
        source = data_folder() / "fashion-products"
        official = rows_by_id(source / "splits.csv")
        rows = rows_by_id(source / "styles.csv")
        self.rng = np.random.default_rng(seed)
        self.rows: dict[str, Row] = {
            key: {**row, "price": str(199 + 100 * int(self.rng.integers(20)))}
            for key, row in rows.items()
            if official[key]["split"] == split and official[key]["image"] == "1"
        }
        self.planted = Planted(folder, families={k: official[k]["family"] for k in self.rows})
        self.images = folder / "images"
        self.images.mkdir(parents=True)
        for key in self.rows:
            shutil.copy(source / "images" / f"{key}.jpg", self.images)
        self.free = list(self.rng.permutation(list(self.rows)))
        with_sizes = ((key, Image.open(self.images / f"{key}.jpg").size) for key in self.free)
        self.large = {key for key, size in with_sizes if min(size) >= LARGE}

    def take(self, allowed: Callable[[str], bool] = lambda _: True) -> str:
        """Return a product that nothing is wrong with yet."""
        at = next(at for at, key in enumerate(self.free) if allowed(key))
        return str(self.free.pop(at))

    def exchange(self, kind: str, count: int, differ: Callable[[str, str], bool]) -> None:
        """Exchange titles, and every second time photos, between two products that differ."""
        found = self.planted.faults.setdefault(kind, {})
        tried = 0
        while len(found) < count and tried < 20_000:
            one = self.take()
            other = next((key for key in self.free if differ(one, str(key))), None)
            tried += 1
            if other is None:
                self.free.append(one)
                continue
            self.free.remove(other)
            if len(found) % 4 < 2:
                a, b = (self.rows[key] for key in (one, other))
                name = "productDisplayName"
                a[name], b[name] = b[name], a[name]
            else:
                a, b = (self.images / f"{key}.jpg" for key in (one, other))
                held = a.read_bytes()
                a.write_bytes(b.read_bytes())
                b.write_bytes(held)
            found[one], found[str(other)] = str(other), one

    def wrong_cells(self, kind: str, count: int, columns: tuple[str, ...]) -> None:
        """Give products the cells of another one that differ."""
        found = self.planted.faults.setdefault(kind, {})
        keys = list(self.rows)
        last = columns[-1]
        while len(found) < count:
            key = self.take(lambda key: self.rows[key][last] not in EMPTY)
            true = self.rows[key][last]
            while (other := self.rows[str(self.rng.choice(keys))])[last] in (true, *EMPTY):
                pass
            self.rows[key].update({column: other[column] for column in columns})
            found[key] = f"{true} → {other[last]}"

    def pictures(self, kind: str, count: int, change: Callable[[Image.Image], Image.Image]) -> None:
        """Change photos of the larger size."""
        found = self.planted.faults.setdefault(kind, {})
        while len(found) < count:
            key = self.take(self.large.__contains__)
            path = self.images / f"{key}.jpg"
            change(Image.open(path).convert("RGB")).save(path, quality=88)
            found[key] = ""

    def duplicates(self, count: int) -> None:
        """List products again: the photo changed a little, another price, a title of its own."""
        found = self.planted.faults.setdefault("duplicate", {})
        changes = (cropped, shrunk, recompressed, ImageOps.mirror)
        for number in range(count):
            key = self.take(self.large.__contains__)
            new = f"9{key}"
            photo = changes[number % 4](Image.open(self.images / f"{key}.jpg").convert("RGB"))
            quality = 30 if changes[number % 4] is recompressed else 88
            photo.save(self.images / f"{new}.jpg", quality=quality)
            row = {**self.rows[key], "id": new, "price": str(int(self.rows[key]["price"]) + 50)}
            words = row["productDisplayName"].split()
            if number % 8 >= 4 and len(words) > 2:  # another seller's: no brand, the rest turned
                row["productDisplayName"] = " ".join([*words[2:], words[1]])
            self.rows[new] = row
            self.planted.families[new] = self.planted.families[key]
            found[new] = key

    def write(self) -> Planted:
        path = self.planted.folder / "titles.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(next(iter(self.rows.values()))))
            writer.writeheader()
            writer.writerows(self.rows.values())
        return self.planted


def cropped(photo: Image.Image) -> Image.Image:
    x, y = (round(0.06 * side) for side in photo.size)
    return photo.crop((x, y, photo.width - x, photo.height - y // 2))


def shrunk(photo: Image.Image) -> Image.Image:
    return photo.resize((round(photo.width * 0.6), round(photo.height * 0.6)))


def recompressed(photo: Image.Image) -> Image.Image:
    return photo


def plant(split: str, folder: Path, seed: int = 23) -> Planted:
    """Plant what the issue lists, in as many products."""
    planter = Planter(split, folder, seed)
    rows, rng = planter.rows, planter.rng
    total = len(rows)

    def says_colour(key: str) -> bool:
        colour = rows[key]["baseColour"]
        return colour not in EMPTY and colour.lower() in rows[key]["productDisplayName"].lower()

    def other_colour(a: str, b: str) -> bool:
        alike = all(rows[a][name] == rows[b][name] for name in ("articleType", "gender"))
        return (
            alike
            and rows[a]["baseColour"] != rows[b]["baseColour"]
            and says_colour(a)
            and says_colour(b)
        )

    planter.exchange("photo and title, colour", 2 * round(0.01 * total), other_colour)
    planter.exchange(
        "photo and title, type",
        2 * round(0.01 * total),
        lambda a, b: rows[a]["articleType"] != rows[b]["articleType"],
    )
    planter.wrong_cells("category column", round(0.01 * total), CATEGORY)
    planter.wrong_cells("colour column", round(0.02 * total), ("baseColour",))
    planter.duplicates(40)
    planter.pictures(
        "blurred",
        40,
        lambda photo: photo.filter(
            ImageFilter.GaussianBlur(min(photo.size) * float(rng.uniform(0.01, 0.025)))
        ),
    )
    planter.pictures("small", 40, lambda photo: photo.resize((60, 80)))
    planter.pictures("text over it", 30, lambda photo: written_on(photo, rng))
    kinds = list(NOTHING_KINDS)
    seeds = iter(range(910_000, 920_000))
    planter.pictures(
        "nothing",
        30,
        lambda photo: draw_nothing(kinds[(at := next(seeds)) % len(kinds)], seed=at).resize(
            photo.size
        ),
    )
    return planter.write()


SLOGANS = ("SALE 50% OFF", "BUY 1 GET 1", "www.shopname.com", "NEW ARRIVAL", "FREE SHIPPING")


def written_on(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Write a slogan or a watermark over a photo, somewhere in the middle half or on a band."""
    slogan = str(rng.choice(SLOGANS))
    layer = Image.new("RGBA", photo.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    size = photo.height * float(rng.uniform(0.08, 0.13))
    font = ImageFont.load_default(size)
    wide = draw.textlength(slogan, font=font)
    if wide > 0.94 * photo.width:
        size *= 0.94 * photo.width / wide
        font = ImageFont.load_default(size)
        wide = draw.textlength(slogan, font=font)
    x, y = (photo.width - wide) / 2, photo.height * float(rng.uniform(0.08, 0.82))
    ink = [(200, 20, 30, 255), (20, 20, 20, 255), (255, 255, 255, 255), (90, 90, 90, 150)]
    colour = ink[int(rng.integers(4))]
    if colour[0] == 255:
        draw.rectangle((0, y - 2, photo.width, y + size * 1.3), fill=(200, 20, 30, 255))
    draw.text((x, y), slogan, fill=colour, font=font)
    return Image.alpha_composite(photo.convert("RGBA"), layer).convert("RGB")
