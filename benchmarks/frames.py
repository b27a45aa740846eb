"""Does a frame or a colour profile change a product's tags? ``python -m benchmarks.frames``.

120 photos of the test split as they are, in the middle of a white square that they fill to 85, 70,
50 and 25 %, between black bars, and saved in Adobe RGB and in ProPhoto as a photographer's program
does. Then all photos of val and test as they are. From pictures alone, and each time beside what
comes out when margins and profiles are left as they are. Written to
``benchmarks/results/frames.md``.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageCms

from benchmarks import markdown, products
from benchmarks.paths import RESULTS
from benchmarks.zeroshot import given, right, top1
from fashiontag.catalog import load_image
from fashiontag.catalog.colours import ADOBE_GAMMA, ADOBE_RGB, rgb_profile
from fashiontag.encoders import resolve
from fashiontag.heads.thresholds import Decider
from fashiontag.heads.zeroshot import Evidence
from fashiontag.labels import load_labels
from fashiontag.metrics import FamilyBootstrap
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.products import Products
    from fashiontag.datamodels import Pixels
    from fashiontag.encoders import LazyEncoder
    from fashiontag.heads.zeroshot import Scores

RESULT = RESULTS / "frames.md"
SEED, PHOTOS, BATCH = 17, 120, 64
PROPHOTO = (0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001, 0.3457, 0.3585)
SHOWN = ("articleType", "baseColour")


@dataclass(frozen=True)
class Bench:
    """The model, and what tags are made with."""

    encoder: LazyEncoder
    judge: Judge

    def look(self, pixels: Sequence[Pixels]) -> Scores:
        """Score prepared pictures without titles, from vectors as the store keeps them."""
        parts = [
            self.encoder.encode_images(pixels[at : at + BATCH])
            for at in range(0, len(pixels), BATCH)
        ]
        vectors = np.concatenate(parts).astype(np.float16).astype(np.float32)
        count = len(vectors)
        return self.judge.head.score(
            Evidence(
                images=vectors,
                titles=np.zeros_like(vectors),
                titled=np.zeros(count, bool),
                words=np.zeros((count, self.judge.space.size), np.float32),
            )
        )


def in_square(fill: float) -> Callable[[Image.Image], Image.Image]:
    """Return what puts a photo in the middle of a white square whose side it fills so far."""

    def change(photo: Image.Image) -> Image.Image:
        side = round(max(photo.size) / fill)
        return centred(photo, (side, side), "white")

    return change


def between_bars(photo: Image.Image) -> Image.Image:
    """Add black bars above and below, to the shape of a phone's screen."""
    return centred(photo, (photo.width, round(photo.width * 19 / 9)), "black")


def centred(photo: Image.Image, size: tuple[int, int], colour: str) -> Image.Image:
    canvas = Image.new("RGB", size, colour)
    canvas.paste(photo, ((size[0] - photo.width) // 2, (size[1] - photo.height) // 2))
    return canvas


def saved_in(profile: bytes) -> Callable[[Image.Image], Image.Image]:
    """Return what converts a photo to a profile's space and says so in it."""
    usual = ImageCms.createProfile("sRGB")

    def change(photo: Image.Image) -> Image.Image:
        stored = ImageCms.profileToProfile(
            photo,
            usual,
            io.BytesIO(profile),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        assert stored is not None
        stored.info["icc_profile"] = profile
        return stored

    return change


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "as it is": lambda photo: photo,
    **{f"in a white square, {fill:.0%}": in_square(fill) for fill in (0.85, 0.7, 0.5, 0.25)},
    "between black bars, 19:9": between_bars,
    "saved in Adobe RGB": saved_in(rgb_profile(ADOBE_RGB, ADOBE_GAMMA)),
    "saved in ProPhoto": saved_in(rgb_profile(PROPHOTO, 1.8)),
}


def read(picture: Image.Image) -> Image.Image:
    """Save a picture and read it as the program does."""
    out = io.BytesIO()
    picture.save(out, "PNG", icc_profile=picture.info.get("icc_profile"))
    return load_image(out.getvalue())


def photos(some: Products) -> list[Image.Image]:
    return [load_image(item.image.read()) for item in some.items("absent")]


def chosen(bench: Bench) -> tuple[NDArray[np.int64], Products]:
    """Draw the 120 photos, of products whose type the label file has."""
    test = products.load(["test"])
    names = bench.judge.space.group("articleType").names
    known = np.flatnonzero(np.isin(test.attributes["articleType"], names))
    picked = np.sort(np.random.default_rng(SEED).choice(known, PHOTOS, replace=False))
    return picked, test


def frames(bench: Bench) -> list[str]:
    """Change 120 photos and compare their tags with the untouched ones'."""
    picked, test = chosen(bench)
    every = test.items("absent")
    untouched = [load_image(every[number].image.read()) for number in picked]
    truth = {group: test.attributes[group][picked] for group in SHOWN}
    decider, space = Decider(bench.judge.space), bench.judge.space
    ways: dict[str, Callable[[Image.Image], Pixels]] = {
        "as the program reads it": lambda picture: bench.encoder.prepare(read(picture)),
        "margins and colours as stored": bench.encoder.preprocess,
    }
    rows = []
    for way, prepare in ways.items():
        first: dict[str, NDArray[np.str_]] = {}
        for name, change in CHANGES.items():
            scores = bench.look([prepare(change(photo)) for photo in untouched])
            row = [way, name]
            for group in SHOWN:
                said = given(scores, decider, group)
                was = first.setdefault(group, said)
                row += [
                    str((said != "").sum()),
                    str(np.nansum(right(said, truth[group])).astype(int)),
                    str((top1(scores, space, group) == truth[group]).sum()),
                    str((said != was).sum()),
                ]
            rows.append(row)
    parts = ("given", "right", "top-1 right", "other than as it is")
    return [
        f"## {PHOTOS} photos of test, drawn with seed {SEED}",
        "",
        *markdown.table(
            ["", "photo", *(f"{group} {part}" for group in ("type", "colour") for part in parts)],
            rows,
        ),
    ]


def untouched(bench: Bench, split: str) -> list[str]:
    """Compare top-1 on all photos of a split with that of untrimmed ones."""
    some = products.load([split])
    pictures, space = photos(some), bench.judge.space
    kept = [bench.encoder.preprocess(picture) for picture in pictures]
    trimmed = [bench.encoder.prepare(picture) for picture in pictures]
    found = [
        {group: right(top1(scores, space, group), some.attributes[group]) for group in space.names}
        for scores in (bench.look(kept), bench.look(trimmed))
    ]
    families = FamilyBootstrap(some.families)
    other = sum(not np.array_equal(a, b) for a, b in zip(kept, trimmed, strict=True))
    return [
        f"## All {len(pictures):,} photos of {split} as they are, {other} of them trimmed: top-1",
        "",
        *markdown.table(
            ["", *space.names],
            [
                ["untrimmed", *(f"{np.nanmean(found[0][group]):.4f}" for group in space.names)],
                ["as the program reads it",
                 *(f"{np.nanmean(found[1][group]):.4f}" for group in space.names)],
                ["difference",
                 *(str(families.mean(found[1][group] - found[0][group])) for group in space.names)],
            ],
        ),
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as for `fashiontag --model`; default: the embedded one")
    encoder = resolve(parser.parse_args().model)
    with (
        tempfile.TemporaryDirectory() as scratch,
        Workspace.open(Path(scratch), encoder) as workspace,
    ):
        bench = Bench(encoder, Judge(workspace, load_labels("fashion-products")))
        parts = [frames(bench), *(untouched(bench, split) for split in ("val", "test"))]
    head = [
        "# Frames and colour profiles",
        "",
        f"`python -m benchmarks.frames` · {products.made_with(encoder)}",
        "",
        "From pictures alone. The photos are pasted without resizing; the rule was chosen on `val` "
        "and `pool`.",
        "",
    ]
    markdown.write(RESULT, [*head, *(line for part in parts for line in [*part, ""])])


if __name__ == "__main__":
    main()
