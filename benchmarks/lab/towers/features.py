"""What towers are fed with: pixels, tokens, or features that a frozen tower gave once for all."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.lab.towers.backbones import ImageTower, TextTower
from benchmarks.lab.towers.device import device
from fashiontag.catalog.images import load_image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.lab.methods import Rows
    from fashiontag.datamodels import Item
    from fashiontag.encoders.preprocess import Preprocess
    from fashiontag.vectors import VectorStore

Tower = ImageTower | TextTower
Layer = Literal["pooled", "parts"]

FLIP, ROTATE = "flip", "rotate"
DEGREES = 10.0
"""A rotated view of a frozen tower; a trained one sees angles up to it."""
_CHUNK = 128
_SAMPLE = 32
_pace: dict[object, float] = {}
"""Seconds per product, by what it was made with."""
_PIXEL_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Feed:
    """One modality of some products.

    Attributes
    ----------
    views : ndarray of shape (v, n, ...)
        Pixels (uint8), tokens (int64) or features (float16). More than one view only of features:
        the first is the plain one, the others are augmented.
    pad : int or None
        The padding of tokens: a batch is cut at its longest title.
    augment : tuple of str
        What is done to a training batch of pixels.
    seconds : float
        What decoding pictures or computing features took, or would take.
    """

    views: NDArray[np.uint8] | NDArray[np.int64] | NDArray[np.float16]
    pad: int | None = None
    augment: tuple[str, ...] = ()
    seconds: float = 0.0

    def __len__(self) -> int:
        return int(self.views.shape[1])

    def batch(self, rows: NDArray[np.int64], rng: np.random.Generator | None) -> Tensor:
        """Return some rows as a tensor; with a generator, augmented."""
        view = 0 if rng is None else rng.integers(len(self.views), size=len(rows))
        found = torch.from_numpy(self.views[view, rows])
        if self.pad is not None:
            used = (found != self.pad).sum(dim=1).max() if len(found) else 1
            return found[:, : max(int(used), 1)]
        if found.dtype == torch.uint8 and rng is not None:
            return _augmented(found, self.augment, rng)
        return found if found.dtype == torch.uint8 else found.float()


def live(tower: Tower, rows: Rows, augment: Sequence[str] = ()) -> Feed:
    """Feed a tower that trains."""
    if isinstance(tower, TextTower):
        return Feed(tower.tokens(rows.texts)[None], pad=tower.pad)
    pixels = _pixels(tower.preprocess, rows)
    return Feed(pixels[None], augment=tuple(augment), seconds=_pace[tower.preprocess] * len(rows))


def frozen(
    tower: Tower,
    rows: Rows,
    store: VectorStore,
    *,
    layer: Layer = "pooled",
    augment: Sequence[str] = (),
) -> Feed:
    """Feed what a frozen tower says: computed once per picture, title and view, then stored."""
    kind: Literal["image", "text"] = "text" if isinstance(tower, TextTower) else "image"
    keys = rows.texts if kind == "text" else rows.training.image_keys
    names = _views(augment) if kind == "image" else ("",)
    views, seconds = [], 0.0
    for name in names:
        # The embedded model's own fingerprint is taken by its unit vectors.
        mark = f"bench-{layer}-{name}-{tower.fingerprint}"
        compute = _computer(tower, layer, name)
        found, took = stored(store, kind, mark, keys, rows, compute)
        seconds += took
        if layer == "parts":
            width = _parts_width(tower)
            found = found.reshape(len(found), -1, width)
        views.append(found)
    return Feed(np.stack(views), seconds=seconds)


def stored(
    store: VectorStore,
    kind: Literal["image", "text"],
    fingerprint: str,
    keys: Sequence[str],
    rows: Rows,
    compute: Callable[[Rows], NDArray[np.float32]],
) -> tuple[NDArray[np.float16], float]:
    """Return a vector per row, computing what isn't stored, and the seconds that all of them take.

    The pace is that of the rows computed now; where none is due, of a few that are thrown away.
    """
    shard = store.shard(kind, fingerprint)
    found = shard.find(keys)
    _, first = np.unique(np.array(keys), return_index=True)
    missing = first[found[first] < 0]
    todo = missing if len(missing) or fingerprint in _pace else first[:_SAMPLE]
    began = time.perf_counter()
    for start in range(0, len(todo), _CHUNK):
        some = np.sort(todo)[start : start + _CHUNK]
        shard.add([keys[row] for row in some], compute(rows.take(some)))
    if len(todo):
        _pace[fingerprint] = (time.perf_counter() - began) / len(todo)
    return shard.read(shard.find(keys)), _pace[fingerprint] * len(first)


def _views(augment: Sequence[str]) -> tuple[str, ...]:
    names = ["", FLIP] if FLIP in augment else [""]
    if ROTATE in augment:
        names += ["left", "right flip" if FLIP in augment else "right"]
    return tuple(names)


def _computer(tower: Tower, layer: Layer, view: str) -> Callable[[Rows], NDArray[np.float32]]:
    def compute(rows: Rows) -> NDArray[np.float32]:
        feed = live(tower, rows)
        x = feed.batch(np.arange(len(rows)), None)
        if layer == "parts" and isinstance(tower, TextTower):
            x = torch.from_numpy(feed.views[0])  # every title as long as the longest may be
        if FLIP in view:
            x = x.flip(2)
        if "left" in view or "right" in view:
            angle = DEGREES if "left" in view else -DEGREES
            x = _rotated(x, torch.full((len(x),), angle))
        tower.to(device()).eval()
        with torch.inference_mode():
            x = x.to(device())
            found = tower(x) if layer == "pooled" else tower.parts(x).flatten(1)
        out: NDArray[np.float32] = found.float().cpu().numpy()
        return out

    return compute


def _parts_width(tower: Tower) -> int:
    if isinstance(tower, TextTower):
        x = torch.from_numpy(tower.tokens(["a"]))
    else:
        x = torch.zeros((1, *tower.preprocess.size, 3), dtype=torch.uint8)
    with torch.inference_mode():
        return int(tower.to(device()).eval().parts(x.to(device())).shape[2])


_pixels_of: OrderedDict[tuple[object, ...], NDArray[np.uint8]] = OrderedDict()


def _pixels(preprocess: Preprocess, rows: Rows) -> NDArray[np.uint8]:
    """Decode and resize pictures, shape (n, height, width, 3); large sets are remembered."""
    key = (preprocess, hash(rows.training.image_keys))
    if key in _pixels_of:
        _pixels_of.move_to_end(key)
        return _pixels_of[key]

    def pixels_of(item: Item) -> NDArray[np.uint8]:
        return preprocess(load_image(item.image.read(), at_least=max(preprocess.size)))

    began = time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = np.stack(list(pool.map(pixels_of, rows.items)))
    _pace[preprocess] = (time.perf_counter() - began) / len(rows)
    if len(rows) > _CHUNK:
        _pixels_of[key] = found
        while sum(array.nbytes for array in _pixels_of.values()) > _PIXEL_BYTES:
            _pixels_of.popitem(last=False)
    return found


def _augmented(pixels: Tensor, augment: Sequence[str], rng: np.random.Generator) -> Tensor:
    if FLIP in augment:
        turned = torch.from_numpy(rng.random(len(pixels)) < 0.5)
        pixels = torch.where(turned.view(-1, 1, 1, 1), pixels.flip(2), pixels)
    if ROTATE in augment:
        angles = torch.from_numpy(rng.uniform(-DEGREES, DEGREES, len(pixels))).float()
        pixels = _rotated(pixels, angles)
    return pixels


def _rotated(pixels: Tensor, degrees: Tensor) -> Tensor:
    """Turn pictures about their centre, what comes into view white; float, same shape."""
    height, width = pixels.shape[1:3]
    turn = torch.deg2rad(degrees)
    cos, sin, none = turn.cos(), turn.sin(), torch.zeros_like(turn)
    ratio = height / width
    matrix = torch.stack([cos, -sin * ratio, none, sin / ratio, cos, none], dim=1).view(-1, 2, 3)
    ink = 255 - pixels.float().permute(0, 3, 1, 2)  # so that zero padding is white
    grid = nn.functional.affine_grid(matrix, list(ink.shape), align_corners=False)
    return 255 - nn.functional.grid_sample(ink, grid, align_corners=False).permute(0, 2, 3, 1)
