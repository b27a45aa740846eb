"""Pictures as uint8 arrays, decoded or drawn once, and the augmentation on them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageOps
from scipy import ndimage
from torch.nn import functional as fn

from examples.drawing import (
    COLORS,
    KINDS,
    NOTHING_KINDS,
    PATTERNS,
    draw_garment,
    draw_nothing,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SIZE = (160, 120)  # height, width: catalogue photos are 3:4, so padding costs nothing there
STORED = (200, 150)  # kept a quarter larger, so that a random crop still has its pixels
GROUND = (100, 75)  # of a piece of floor, wall or bed that takes the place of a white ground
CLOTHING = (
    "dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt",
    "t-shirt",
)  # fmt: skip
# Titles hardly ever name a sleeve (24 of 13,236), so drawings are what teaches it.
SLEEVES = {
    "t-shirt": ("short", "long"), "shirt": ("long", "short"), "polo shirt": ("short",),
    "top": ("sleeveless", "short", "three-quarter"), "sweater": ("long",), "hoodie": ("long",),
    "jacket": ("long",), "blazer": ("long",), "coat": ("long",),
    "dress": ("sleeveless", "short", "three-quarter", "long"),
}  # fmt: skip
DRAWN, NOTHING = 2000, 1600  # how many of each are drawn; --quick takes a quarter


def upright(path: Path) -> Image.Image:
    """Open a picture upright, RGB, on white."""
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode in ("RGBA", "LA", "P"):
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image)
    return image.convert("RGB")


def letterbox(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """Fit into (height, width), centred on white: open_clip's `longest` with `fill_color` 255."""
    ratio = max(image.height / size[0], image.width / size[1])
    small = image.resize(
        (max(1, round(image.width / ratio)), max(1, round(image.height / ratio))),
        Image.Resampling.BICUBIC,
    )
    sheet = Image.new("RGB", (size[1], size[0]), "white")
    sheet.paste(small, ((size[1] - small.width) // 2, (size[0] - small.height) // 2))
    return np.asarray(sheet)


def read_tables(data: Path) -> pd.DataFrame:
    """`styles.csv` joined with the official split; every cell is text, blanks stay blank."""
    folder = data / "fashion-products"
    rows = pd.read_csv(folder / "styles.csv", dtype=str, keep_default_na=False)
    return rows.merge(pd.read_csv(folder / "splits.csv", dtype=str), on="id")


def clothing_rows(data: Path, part: str) -> pd.DataFrame:
    """List the ordinary photos of one part: columns `path`, `plain` (the class)."""
    found = [
        (str(path), name)
        for name in CLOTHING
        for path in sorted((data / "clothing-small" / part / name).glob("*.jpg"))
    ]
    return pd.DataFrame(found, columns=["path", "plain"])


def drawn_rows(count: int) -> pd.DataFrame:
    """Kinds, colours and patterns to draw; every second garment is of one plain colour."""
    rng = np.random.default_rng(7)
    kinds = [KINDS[i % len(KINDS)] for i in range(count)]
    return pd.DataFrame(
        {
            "kind": kinds,
            "sleeve": [str(rng.choice(SLEEVES[k])) if k in SLEEVES else "" for k in kinds],
            "color": rng.choice(list(COLORS), count),
            "pattern": np.where(rng.random(count) < 0.5, "solid", rng.choice(PATTERNS, count)),
        }
    )


def more_nothing(seed: int, size: int) -> Image.Image:
    """Draw further pictures without a product: tiles, rays, blobs, strokes, over noise or tints."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    kind = seed % 5
    a, b, c = rng.uniform(0, 255, (3, 3))
    if kind == 0:  # tiles
        n, m = rng.integers(1, 14, 2)
        cells = rng.uniform(0, 255, (int(n) + 1, int(m) + 1, 3))
        field = cells[(y * n).astype(int), (x * m).astype(int)]
    elif kind == 1:  # waves across the whole picture
        angle, n = rng.uniform(0, 6.3), rng.uniform(1, 30)
        wave = np.sin(6.3 * n * (x * math.cos(angle) + y * math.sin(angle)) + rng.uniform(0, 6.3))
        wave = np.sign(wave) if rng.random() < 0.5 else wave
        field = a + (b - a) * (wave[..., None] + 1) / 2
    elif kind == 2:  # blobs
        field = np.broadcast_to(a, (size, size, 3)).copy()
        for _ in range(int(rng.integers(1, 40))):
            cx, cy, r = *rng.uniform(0, 1, 2), rng.uniform(0.01, 0.3)
            inside = ((x - cx) ** 2 + (y - cy) ** 2 * rng.uniform(0.3, 3)) < r * r
            field[inside] = rng.uniform(0, 255, 3)
    elif kind == 3:  # many octaves of noise, as clouds, walls, grass, water are
        field = np.zeros((size, size, 3))
        power = rng.uniform(0.3, 1.1)
        for octave in range(1, 7):
            grid = rng.normal(0, 1, (2**octave + 1, 2**octave + 1)).astype(np.float32)
            big = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC)
            field += (np.asarray(big) * 2.0 ** (-power * octave))[..., None]
        field = a + (b - a) * (field - field.min()) / np.ptp(field)
    else:  # horizon bands: sky, hills, ground, with grain
        height, field = 0.0, np.broadcast_to(a, (size, size, 3)).copy()
        for colour in (b, c, rng.uniform(0, 255, 3)):
            height += rng.uniform(0.1, 0.4)
            edge = height + 0.05 * np.sin(x * rng.uniform(2, 25) + rng.uniform(0, 6))
            field[y > edge] = colour
        field += rng.normal(0, rng.uniform(0, 30), field.shape)
    return Image.fromarray(np.clip(field, 0, 255).astype(np.uint8))


def nothing_rows(count: int) -> pd.DataFrame:
    """Say what is drawn as "no product": the example's kinds, then `more_nothing`."""
    own = [NOTHING_KINDS[i % len(NOTHING_KINDS)] for i in range(count * 3 // 5)]
    return pd.DataFrame({"nothing": own + ["shapes and textures"] * (count - len(own))})


def white_ground(picture: np.ndarray) -> np.ndarray:
    """(h, w) uint8: 255 where a picture (h, w, 3) is nearly white, as far as that meets a border.

    So a white shirt keeps its white.
    """
    regions, _ = ndimage.label(picture.min(2) > 235)
    border = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
    return np.isin(regions, border[border > 0]).astype(np.uint8) * 255


def corners(images: Iterable[Image.Image]) -> Iterable[Image.Image]:
    """Two corners of each ordinary photo: floors, walls, beds, hardly ever the product."""
    rng = np.random.default_rng(11)
    for image in images:
        for corner in rng.choice(4, 2, replace=False):
            width, height = (round(side * rng.uniform(0.25, 0.4)) for side in image.size)
            left = (image.width - width) * (corner % 2)
            top = (image.height - height) * (corner // 2)
            yield image.crop((left, top, left + width, top + height)).resize(GROUND[::-1])


def _store(path: Path, images: Iterable[Image.Image], count: int, size: tuple[int, int]) -> None:
    """Write (n, h, w, 3) uint8, or with `white_ground` as the fourth channel what is STORED."""
    part = path.with_suffix(".part")
    depth = 4 if size == STORED else 3
    array = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(count, *size, depth))
    for row, image in enumerate(images):
        array[row, ..., :3] = picture = letterbox(image, size)
        if depth == 4:
            array[row, ..., 3] = white_ground(picture)
    array.flush()
    part.rename(path)


def prepare(data: Path, work: Path, *, quick: bool) -> None:
    """Decode and draw everything that isn't there yet into `work/*.npy`, as `_store` does."""
    work.mkdir(parents=True, exist_ok=True)
    tables, photos = read_tables(data), data / "fashion-products" / "images"
    pictured = tables[tables.image == "1"]
    jobs: dict[str, tuple[Iterable[Image.Image], int, tuple[int, int]]] = {}
    for split, size in (("backbone", STORED), ("val", SIZE), ("test", SIZE)):
        ids = pictured.id[pictured.split == split].tolist()
        jobs[split] = ((upright(photos / f"{i}.jpg") for i in ids), len(ids), size)
    for part, size in (("train", STORED), ("validation", SIZE)):
        paths = clothing_rows(data, part).path.tolist()
        opened = (upright(data / path) for path in paths)
        jobs[f"clothing_{part}"] = (opened, len(paths), size)
    drawn = drawn_rows(DRAWN // 4 if quick else DRAWN)
    pictures = (
        draw_garment(row.kind, row.color, row.pattern, sleeve=row.sleeve or None, seed=i, size=200)
        for i, row in enumerate(drawn.itertuples())
    )
    jobs["drawn"] = (pictures, len(drawn), STORED)
    nothing = nothing_rows(NOTHING // 4 if quick else NOTHING)
    empty = (
        draw_nothing(kind, seed=i, size=200) if kind in NOTHING_KINDS else more_nothing(i, 200)
        for i, kind in enumerate(nothing.nothing)
    )
    jobs["nothing"] = (empty, len(nothing), STORED)
    paths = clothing_rows(data, "train").path.tolist()
    jobs["grounds"] = (corners(upright(data / path) for path in paths), 2 * len(paths), GROUND)
    for name, (images, count, size) in jobs.items():
        path = work / f"{name}.npy"
        if not path.exists():
            _store(path, images, count, size)
            print(f"prepared {name}: {count} pictures", flush=True)


# --- augmentation -------------------------------------------------------------------------


def _uniform(n: int, low: float, high: float, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(n, generator=generator) * (high - low) + low


def augment(
    pixels: torch.Tensor,
    size: tuple[int, int],
    *,
    ordinary: torch.Tensor,
    grounds: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """Random views of (n, 4, h, w) uint8 pictures: (n, 3, *size) float32 in 0..1.

    The fourth channel is `white_ground`, `grounds` (m, 3, h, w) uint8 is what may take its place.
    `ordinary` (n,) bool marks photos taken by ordinary people: they are cropped, turned and lit
    more. Elsewhere colour is a label, so light changes little: gain ±10 %, each channel ±4 %.
    """
    n, g = len(pixels), generator
    x = pixels.float().div_(255)
    wide = ordinary.float()
    grid = fn.affine_grid(_views(pixels.shape, wide, g), [n, 4, *size], align_corners=False)
    x = 1 - fn.grid_sample(1 - x, grid, padding_mode="zeros", align_corners=False)  # white outside
    x, ground = x[:, :3], x[:, 3:]
    # A quarter are coarse, as the catalogue's 60x80 thumbnails are, or blurred.
    coarse = torch.nonzero(torch.rand(n, generator=g) < 0.25).flatten()
    if len(coarse):
        factor = float(_uniform(1, 0.4, 0.75, g))
        small = fn.interpolate(x[coarse], scale_factor=factor, mode="area")
        x[coarse] = fn.interpolate(small, size=size, mode="bicubic", align_corners=False)
    # Blocky noise stands for JPEG; white grounds become tinted, shaded, a floor or a wall.
    noisy = (torch.rand(n, generator=g) < 0.2).float().view(n, 1, 1, 1)
    blocks = torch.randn(n, 1, size[0] // 4, size[1] // 4, generator=g)
    x = x + noisy * 0.03 * fn.interpolate(blocks, size=size)
    drawn = torch.rand(n, generator=g)
    tint = torch.nonzero(drawn < 0.12).flatten()
    if len(tint):
        colour = _uniform(len(tint) * 3, 0.1, 1.0, g).view(-1, 3, 1, 1)
        slope = torch.linspace(-0.15, 0.15, size[0]).view(1, 1, -1, 1)
        x[tint] += ground[tint] * ((colour + slope).clamp(0, 1) - x[tint])
    placed = torch.nonzero(drawn > 0.75).flatten()
    if len(placed):
        chosen = grounds[torch.randint(len(grounds), (len(placed),), generator=g)].float() / 255
        floor = fn.interpolate(chosen, size=size, mode="bilinear", align_corners=False)
        x[placed] += ground[placed] * (floor - x[placed])
    lit = (wide + (drawn > 0.75).float()).clamp(max=1).view(n, 1, 1, 1)
    gain = 1 + _uniform(n, -0.1, 0.1, g).view(n, 1, 1, 1) * (1 + lit)
    hue = 1 + _uniform(n * 3, -0.04, 0.04, g).view(n, 3, 1, 1) * (1 + lit)
    x = (x * gain * hue).clamp_(0, 1)
    # Cut-out: a grey or white box over a quarter of the pictures.
    for i in torch.nonzero(torch.rand(n, generator=g) < 0.25).flatten().tolist():
        h, w = (int(s * float(_uniform(1, 0.15, 0.4, g))) for s in size)
        top = int(torch.randint(0, size[0] - h, (1,), generator=g))
        left = int(torch.randint(0, size[1] - w, (1,), generator=g))
        x[i, :, top : top + h, left : left + w] = float(_uniform(1, 0.3, 1.0, g))
    return x


def _views(
    shape: tuple[int, ...] | torch.Size, wide: torch.Tensor, g: torch.Generator
) -> torch.Tensor:
    """(n, 2, 3) affine maps: zoom (below 1 shows less), aspect, turn, shift, flip."""
    n = shape[0]
    zoom = _uniform(n, 0.8, 1.15, g) - wide * _uniform(n, 0.0, 0.2, g)
    aspect = torch.exp(_uniform(n, -0.1, 0.1, g) * (1 + wide))
    angle = _uniform(n, -0.07, 0.07, g) * (1 + 3 * wide)
    flip = torch.where(torch.rand(n, generator=g) < 0.5, -1.0, 1.0)
    shift = _uniform(n, -0.2, 0.2, g), _uniform(n, -0.2, 0.2, g)  # of half the picture
    kind = torch.rand(n, generator=g)
    still = kind < 0.15  # as the model will see it: whole and straight
    framed = kind > 0.85  # in a wide frame, as marketplaces ask for
    zoom, aspect = (torch.where(still, torch.ones(n), t) for t in (zoom, aspect))
    zoom = torch.where(framed, torch.exp(_uniform(n, 0.14, 0.95, g)), zoom)
    angle = torch.where(still, torch.zeros(n), angle)
    shift = tuple(torch.where(still, torch.zeros(n), t) for t in shift)
    ratio = shape[2] / shape[3]
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([zoom * aspect * cos * flip, -zoom * sin * ratio, shift[0]], 1),
        torch.stack([zoom * sin / ratio * flip, zoom / aspect * cos, shift[1]], 1),
    ]
    return torch.stack(rows, 1)
