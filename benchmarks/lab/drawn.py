"""A small catalogue drawn by a program, in the Kaggle layout: for suites that need no data.

It tests the laboratory, not a model: shapes are plain, and every colourway of a product is its
family.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64
COLOURWAYS = 2
TITLED = 0.85
"""Share of titles that name type and colour, as real ones do, though not always."""

# Outlines in a square from 0 to 1, named as in `prompts/fashion-products.toml`.
OUTLINES = {
    "Tshirts": (
        (0.32, 0.15), (0.68, 0.15), (0.95, 0.35), (0.84, 0.5), (0.72, 0.42), (0.72, 0.88),
        (0.28, 0.88), (0.28, 0.42), (0.16, 0.5), (0.05, 0.35),
    ),
    "Trousers": (
        (0.32, 0.05), (0.68, 0.05), (0.76, 0.95), (0.58, 0.95), (0.5, 0.35), (0.42, 0.95),
        (0.24, 0.95),
    ),
    "Dresses": (
        (0.4, 0.05), (0.6, 0.05), (0.62, 0.4), (0.85, 0.95), (0.15, 0.95), (0.38, 0.4),
    ),
    "Handbags": (
        (0.2, 0.4), (0.32, 0.4), (0.38, 0.15), (0.62, 0.15), (0.68, 0.4), (0.8, 0.4),
        (0.9, 0.85), (0.1, 0.85),
    ),
}  # fmt: skip
WORDS = {"Tshirts": "T-shirt", "Trousers": "Trousers", "Dresses": "Dress", "Handbags": "Handbag"}
COLOURS = {
    "Red": (190, 30, 40),
    "Blue": (40, 80, 180),
    "Green": (40, 130, 60),
    "Black": (25, 25, 28),
    "Yellow": (235, 200, 50),
}
BRANDS = ("Arlo", "Bette", "Corvin", "Dune", "Elva")
SYLLABLES = ("ba", "ko", "ri", "tu", "ne", "so", "li", "ma", "du", "fe")


def draw_catalogue(folder: Path, products: int = 360, seed: int = 0) -> None:
    """Write ``styles.csv`` and ``images/ID.png`` into a new folder; the same seed, the same files.

    Types and colours alternate, so that every label has its share.
    """
    rng = np.random.default_rng(seed)
    images = folder / "images"
    images.mkdir(parents=True, exist_ok=True)
    lines = [("id", "articleType", "baseColour", "productDisplayName")]
    for number in range(products):
        kind = list(OUTLINES)[number % len(OUTLINES)]
        colour = list(COLOURS)[int(rng.integers(len(COLOURS)))]
        _draw(OUTLINES[kind], COLOURS[colour], rng, images / f"{number:04}.png")
        # Colourways lie a round of types apart and share a name, which no other product has.
        style = number // (len(OUTLINES) * COLOURWAYS) * len(OUTLINES) + number % len(OUTLINES)
        name = "".join(SYLLABLES[int(digit)] for digit in f"{style:03}").title()
        name = f"{BRANDS[style % len(BRANDS)]} {name}"
        named = (colour, WORDS[kind]) if rng.random() < TITLED else ()
        title = " ".join((name, *named, "for everyone"))
        lines.append((f"{number:04}", kind, colour, title))
    with (folder / "styles.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(lines)


def _draw(
    outline: tuple[tuple[float, float], ...],
    colour: tuple[int, ...],
    rng: np.random.Generator,
    path: Path,
) -> None:
    from PIL import Image, ImageDraw

    points = np.array(outline) * rng.uniform(0.65, 0.95, size=2) + rng.normal(0, 0.012, (1, 2))
    points += 0.5 - (points.min(axis=0) + points.max(axis=0)) / 2 + rng.normal(0, 0.03, 2)
    fill = tuple(
        int(channel) for channel in np.clip(np.array(colour) + rng.normal(0, 14, 3), 0, 255)
    )
    image = Image.new("RGB", (4 * SIDE, 4 * SIDE), (250, 250, 250))
    ImageDraw.Draw(image).polygon([(4 * SIDE * x, 4 * SIDE * y) for x, y in points], fill=fill)
    image.resize((SIDE, SIDE), Image.Resampling.BOX).save(path)
