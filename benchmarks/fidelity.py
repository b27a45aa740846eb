"""Is the fast pipeline still the model? ``python -m benchmarks.fidelity``.

The embedded model's vectors as `fashiontag` makes them (scaled decoding, float16 in the store)
against open_clip's own: a whole picture decoded by Pillow, open_clip's transform, fp32. Cosines,
and how often both give the same best label of each exclusive group of ``fashion-products``, on the
test split's photos and on the full-size ones. Written to ``benchmarks/results/fidelity.md``.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import open_clip
import torch
from PIL import Image

from benchmarks import markdown, products
from benchmarks.paths import RESULTS
from benchmarks.throughput import openclip_transform
from benchmarks.zeroshot import top1
from fashiontag.catalog import read_catalog
from fashiontag.encoders import resolve
from fashiontag.encoders.margins import trim
from fashiontag.heads.zeroshot import Evidence
from fashiontag.labels import load_labels
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.encoders import LazyEncoder

RESULT = RESULTS / "fidelity.md"
SPACE = load_labels("fashion-products")
BATCH = 32


def plain(encoder: LazyEncoder, paths: Sequence[Path]) -> NDArray[np.float32]:
    """Encode pictures as open_clip's README does, without excess margins."""
    model = open_clip.create_model(f"local-dir:{encoder.folder}").eval()
    prepare = openclip_transform(encoder)
    found = []
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            pictures = [
                trim(Image.open(path).convert("RGB"), encoder.preprocess.size)
                for path in paths[start : start + BATCH]
            ]
            features = model.encode_image(torch.stack([prepare(picture) for picture in pictures]))
            found.append((features / features.norm(dim=-1, keepdim=True)).numpy())
    return np.concatenate(found)


def best(tagger: Judge, images: NDArray[np.float32]) -> NDArray[np.str_]:
    """Return the best label of each exclusive group, from pictures alone: shape (n, groups)."""
    count = len(images)
    scores = tagger.head.score(
        Evidence(
            images=images,
            titles=np.zeros_like(images),
            titled=np.zeros(count, bool),
            words=np.zeros((count, SPACE.size), np.float32),
        )
    )
    groups = [group.name for group in SPACE.groups if group.exclusive]
    return np.stack([top1(scores, SPACE, name) for name in groups], axis=1)


def compare(name: str, paths: list[Path], encoder: LazyEncoder, scratch: Path) -> list[str]:
    """Return a row of the table."""
    items = {item.image.locator: item for item in read_catalog(str(paths[0].parent)).items}
    chosen = [items[str(path)] for path in paths]
    with Workspace.open(scratch, encoder) as workspace:
        windows = list(embed(workspace, chosen))
        rows = np.concatenate([window.images for window in windows])
        ours = workspace.images.padded(rows, encoder.dim)
        theirs = plain(encoder, paths)
        tagger = Judge(workspace, SPACE)
        same = best(tagger, ours) == best(tagger, theirs)
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1)
    return [
        name,
        f"{len(paths):,}",
        f"{np.median(cosines):.5f}",
        f"{cosines.min():.5f}",
        f"{same.mean():.2%}",
        f"{same[:, 0].mean():.2%}",
    ]


def main() -> None:
    """Compare on both sets of photos; write the table."""
    encoder = resolve()
    folder = products.data_folder() / "fashion-products"
    test = [folder / "images" / f"{number}.jpg" for number in products.load(["test"]).ids]
    full = sorted((folder / "hires").glob("*.jpg"))
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            compare("test split", test, encoder, Path(scratch) / "test"),
            compare("full size", full, encoder, Path(scratch) / "full"),
        ]
    first = next(group.name for group in SPACE.groups if group.exclusive)
    head = ["photos", "count", "median cosine", "lowest cosine", "same best label", f"of {first}"]
    lines = [
        "# Fidelity", "",
        "`python -m benchmarks.fidelity`: the embedded model's vectors as they are stored, against "
        "open_clip's own pipeline in fp32; best labels of all exclusive groups of "
        "`fashion-products`, pictures alone.", "",
        f"Made with {products.made_with(encoder)}.", "",
        *markdown.table(head, rows), "",
    ]  # fmt: skip
    markdown.write(RESULT, lines)


if __name__ == "__main__":
    main()
