"""Products of several photos: ``python -m benchmarks.products_fused``.

No data set here has several photos of a product, so products of two to six are made: one of each
family of `fashion-products` (with siblings of its colour where there are any) and photos of
`clothing-small` taken by ordinary people. The other photos are what shops add: the back (mirrored,
without its details), details (crops), a swatch of the fabric, a size chart.

``--fit`` fits on ``pool`` what tells whole products from details (`Statistics.whole`), writes it
into the model's folder, and shows the constants of `fashiontag.heads.photos` that tell foreign
photos, with the strangeness from which nine of ten reports on pool and val are right. ``--split
val`` prints, ``test`` writes
``benchmarks/results/products-fused.md``.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from sklearn.linear_model import LogisticRegression

from benchmarks import markdown, products
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.paths import RESULTS
from benchmarks.zeroshot import ORDINARY, top1
from fashiontag.catalog import FileRef, clean_title
from fashiontag.catalog.images import load_image
from fashiontag.catalog.items import make_item
from fashiontag.encoders import resolve
from fashiontag.heads.photos import (
    CHANCE,
    FOREIGN,
    STRANGE,
    TITLED,
    facts,
    fuse_scores,
    photos_among,
    together,
)
from fashiontag.heads.statistics import FILE_NAME
from fashiontag.labels import load_labels, parse_labels
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import EmbedOptions, embed_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.random import Generator
    from numpy.typing import NDArray

    from fashiontag.heads.statistics import Statistics
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace

SEED = 19
GROUPS = ("articleType", "baseColour", "gender")
SHARE = 0.05
"""Of the products that hold a foreign photo."""

DRAWS = 3
"""Foreign photos for each product, one at a time."""

AIM = 0.91
"""Precision of reports on pool and val, so that .9 is left elsewhere."""

FITTED = ("absent", "plain")
"""Titles that reports are fitted with."""

PRODUCTS = 2000
"""At most, of a split: a family gives one."""

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


def make(split: str, folder: Path) -> list[Made]:
    """Make products of one split's families, or of ``ordinary`` photos, as files in a folder."""
    table = folder / "made.csv"
    if table.is_file():
        with table.open(encoding="utf-8", newline="") as file:
            return [Made(**row) for row in csv.DictReader(file)]
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    made: list[Made] = []
    source = _ordinary() if split == "ordinary" else _families(split, rng)
    for key, siblings in islice(source, PRODUCTS):
        opened = [load_image(path.read_bytes()) for path in siblings]
        for position in range(int(rng.integers(2, 7))):
            kind = "front"
            if position or rng.random() > FIRST_IS_FRONT:
                kind = str(rng.choice(list(KINDS), p=list(KINDS.values())))
            photo = opened[int(rng.integers(len(opened)))] if position else opened[0]
            name = f"{key}-{position}-{kind}.png"
            DRAW[kind](photo, rng).save(folder / name)
            made.append(Made(name, key, kind))
    with table.open("w", encoding="utf-8", newline="") as file:
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
        yield f"{path.parent.name}:{path.stem}", [path]


@dataclass(frozen=True)
class Photos:
    """Photos of made products, scored.

    Attributes
    ----------
    products : list of k integer arrays
        The rows of each product's photos.
    made : list of n Made
    images : ndarray of shape (n, d)
    looks : Scores of n rows
        From pictures alone.
    scores : mapping of str to Scores
        Per title condition.
    told : mapping of str to ndarray of shape (n, k)
        The main group's labels that titles name, per condition.
    truth : mapping of str to ndarray of shape (n,)
        Per group, "" where it isn't known.
    families : ndarray of shape (k,)
    """

    products: list[NDArray[np.int64]]
    made: list[Made]
    images: NDArray[np.float32]
    looks: Scores
    scores: dict[str, Scores]
    told: dict[str, NDArray[np.float32]]
    truth: dict[str, NDArray[np.str_]]
    families: NDArray[np.str_]


def look(workspace: Workspace, space: LabelSpace, split: str, place: Path) -> Photos:
    """Make the products of a split, where they aren't there yet, and score their photos."""
    made = make(split, place / split)
    judge = Judge(workspace, space)
    names = np.array([one.product for one in made])
    order = list(dict.fromkeys(names.tolist()))
    items = [
        make_item(one.path, one.path, FileRef(str((place / split / one.path).absolute())))
        for one in made
    ]
    titles: dict[str, dict[str, str]] = {"absent": {}}
    families = np.array(order)
    if split == "ordinary":
        truth = {"kind": np.array([ORDINARY[one.product.rpartition(":")[0]] for one in made])}
    else:
        some = products.load([split])
        at = {key: row for row, key in enumerate(some.ids)}
        rows = [at[name] for name in names]
        titles |= {
            condition: dict(zip(some.ids, some.titles[condition], strict=True))
            for condition in ("masked", "plain")
        }
        truth = {group: some.attributes[group][rows] for group in GROUPS}
        families = some.families[[at[name] for name in order]]
    assert space.main is not None
    scores: dict[str, Scores] = {}
    words: dict[str, NDArray[np.float32]] = {}
    for condition, of in titles.items():
        told = [
            replace(item, title=of.get(name, ""), text=clean_title(of.get(name, "")))
            for item, name in zip(items, names, strict=True)
        ]
        embedded = embed_all(workspace, told, EmbedOptions())
        evidence = judge.evidence(embedded)
        scores[condition] = judge.head.score(evidence)
        words[condition] = evidence.words[:, space.span(space.main.name)]
    return Photos(
        [np.flatnonzero(names == name) for name in order],
        made,
        evidence.images,
        scores["absent"],
        scores,
        words,
        truth,
        families,
    )


def errors(photos: Photos, space: LabelSpace, statistics: Statistics) -> list[list[str]]:
    """Compare the fused answer's errors with one photo's: the first's, second's, ... , the mean."""
    whole, families = statistics.shows_whole(photos.images), FamilyBootstrap(photos.families)
    rows = []
    for condition, scores in photos.scores.items():
        for group, truth in photos.truth.items():
            alone = wrong(top1(scores, space, group), truth)
            fused = together(
                [fuse_scores(space, photos_among(scores, u), whole[u]) for u in photos.products]
            )
            first = np.array([truth[unit[0]] for unit in photos.products])
            ours = wrong(top1(fused, space, group), first)
            places = [
                np.array([alone[unit[min(place, len(unit) - 1)]] for unit in photos.products])
                for place in range(6)
            ]
            best = int(np.argmin([np.nanmean(place) for place in places]))
            mean = np.array([alone[unit].mean() for unit in photos.products])
            rows.append(
                [
                    condition,
                    group,
                    str(families.mean(ours)),
                    f"{np.nanmean(places[best]):.3f} (position {best + 1})",
                    str(families.mean(ours - places[best])),
                    f"{np.nanmean(mean):.3f}",
                    str(families.mean(ours - mean)),
                ]
            )
    return rows


def wrong(labels: NDArray[np.str_], truth: NDArray[np.str_]) -> NDArray[np.float64]:
    """Return 1 where a label is wrong, 0 where it is right, NaN where nothing is known."""
    return np.where(truth == "", np.nan, (labels != truth).astype(float))


@dataclass(frozen=True)
class Foreign:
    """The `facts` of products' photos: as the products are, and with one photo replaced.

    ``places`` says which photo of each is the foreign one.
    """

    clean: list[NDArray[np.float64]]
    planted: list[NDArray[np.float64]]
    places: list[int]

    def strangest(self, told: Fitted) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how strange the strangest photo is of each product, untouched and planted."""
        clean, planted = (
            np.array([told.strangeness(rows).max() for rows in products])
            for products in (self.clean, self.planted)
        )
        return clean, planted

    def named(self, told: Fitted) -> float:
        """Return the share of reports that name the foreign photo."""
        strange = [told.strangeness(rows) for rows in self.planted]
        reported = [
            one.argmax() == place
            for one, place in zip(strange, self.places, strict=True)
            if one.max() >= told.least
        ]
        return float(np.mean(reported))

    def at(self, told: Fitted) -> tuple[float, float]:
        """Return recall and precision of reports, 5 % planted."""
        return _at(*self.strangest(told), told.least)


@dataclass(frozen=True)
class Fitted:
    """What tells foreign photos, as in `fashiontag.heads.photos`."""

    weights: NDArray[np.float64] = field(default_factory=lambda: FOREIGN)
    chance: float = CHANCE
    least: float = STRANGE

    def strangeness(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the strangeness of one product's photos."""
        return np.asarray(rows @ self.weights + self.chance)


def _at(
    clean: NDArray[np.float64], planted: NDArray[np.float64], least: float
) -> tuple[float, float]:
    right = (planted >= least).mean()
    reports = SHARE * right + (1 - SHARE) * (clean >= least).mean()
    return float(right), float(SHARE * right / reports) if reports else 1.0


def plant(
    photos: Photos,
    space: LabelSpace,
    statistics: Statistics,
    titles: str = "absent",
    whole: NDArray[np.float64] | None = None,
) -> Foreign:
    """Put into each product, for one of its photos, a whole one of another type, `DRAWS` times."""
    rng = np.random.default_rng(SEED)
    assert space.main is not None
    if whole is None:
        whole = statistics.shows_whole(photos.images)
    looks, said = statistics.centred(photos.images), photos.told[titles] == 1
    shares, types = photos.looks.labels[:, space.span(space.main.name)], photos.truth["articleType"]
    fronts = np.flatnonzero([one.kind == "front" for one in photos.made])

    def seen(unit: NDArray[np.int64], product: int) -> NDArray[np.float64]:
        return facts(shares[unit], looks[unit], whole[unit], said[product])

    clean = [seen(unit, unit[0]) for unit in photos.products]
    planted, places = [], []
    for unit in photos.products * DRAWS:
        mixed, place = unit.copy(), int(rng.integers(len(unit)))
        mixed[place] = rng.choice(fronts[types[fronts] != types[unit[0]]])
        planted.append(seen(mixed, unit[0]))  # all photos have the product's title
        places.append(place)
    return Foreign(clean, planted, places)


def fit(
    pool: Photos, val: Photos, space: LabelSpace, statistics: Statistics
) -> tuple[Statistics, Fitted]:
    """Fit on pool what tells whole products, and foreign photos.

    The latter from wholeness that was fitted on the other half of the families. From the least
    strangeness on, reports on pool and val are right often enough without titles, and with them,
    too: what a title says for itself is moved until it is so.
    """
    whole = np.isin([one.kind for one in pool.made], ("front", "back"))
    second = np.zeros(len(whole), bool)
    for number, unit in enumerate(pool.products):
        second[unit] = number % 2
    chances = np.zeros(len(whole))
    for half in (second, ~second):
        fitted = replace(statistics, whole=_logistic(pool.images[~half], whole[~half]))
        chances[half] = fitted.shows_whole(pool.images)[half]
    statistics = replace(statistics, whole=_logistic(pool.images, whole))
    seen = {titles: plant(pool, space, statistics, titles, chances) for titles in FITTED}
    clean = np.concatenate([row for one in seen.values() for row in one.clean])
    foreign = [
        rows[place]
        for one in seen.values()
        for rows, place in zip(one.planted, one.places, strict=True)
    ]
    answers = np.repeat([0, 1], [len(clean), len(foreign)])
    model = LogisticRegression(max_iter=10_000).fit(np.concatenate([clean, foreign]), answers)
    told = Fitted(model.coef_[0].round(3), round(float(model.intercept_[0]), 3))
    cuts = []
    for titles, one in seen.items():
        pairs = [one.strangest(told), plant(val, space, statistics, titles).strangest(told)]
        untouched, planted = (np.concatenate([pair[side] for pair in pairs]) for side in (0, 1))
        tried = np.quantile(np.concatenate([untouched, planted]), np.linspace(0, 1, 2001))
        cuts.append(min(cut for cut in tried if _at(untouched, planted, cut)[1] >= AIM))
    told.weights[TITLED] -= cuts[1] - cuts[0]
    return statistics, replace(told, weights=told.weights.round(3), least=round(float(cuts[0]), 3))


def _logistic(images: NDArray[np.float32], whole: NDArray[np.bool_]) -> NDArray[np.float32]:
    # C of 0.1, 1, 10, 100: area under the curve on val .949, .968, .977, .981
    model = LogisticRegression(C=100, max_iter=3000).fit(images, whole)
    return np.append(model.coef_[0], model.intercept_).astype(np.float32)


def report(workspace: Workspace, split: str, place: Path) -> list[str]:
    """Judge on one split."""
    space, plain = load_labels("fashion-products"), ordinary_space()
    statistics = Judge(workspace, space).head.statistics
    photos = look(workspace, space, split, place)
    snapshots = look(workspace, plain, "ordinary", place)
    told = Fitted()
    found = []
    for titles in photos.scores:
        foreign = plant(photos, space, statistics, titles)
        recall, precision = foreign.at(told)
        sizes = np.array([len(unit) for unit in photos.products])
        clean, planted = foreign.strangest(told)
        two = (planted >= told.least)[np.tile(sizes == 2, DRAWS)].mean()
        false = (clean >= told.least).mean()
        shown = recall, precision, foreign.named(told), two, false
        found.append([titles, *(f"{share:.3f}" for share in shown)])
    rows = [*errors(photos, space, statistics), *errors(snapshots, plain, statistics)]
    return [
        f"{len(photos.products):,} products of {split}, {len(photos.made):,} photos; "
        f"{len(snapshots.products):,} of ordinary photos (`kind`), {len(snapshots.made):,} photos.",
        "",
        *markdown.table(
            ["titles", "group", "error, fused", "best position", "less it", "mean", "less it"], rows
        ),
        "",
        f"A photo of another type in {SHARE:.0%} of the products, {DRAWS} draws:",
        "",
        *markdown.table(
            ["titles", "recall", "precision", "right photo named", "of two photos", "false"], found
        ),
        "",
    ]


def ordinary_space() -> LabelSpace:
    """Return ten plain words as a label space."""
    groups = {"kind": {"labels": list(ORDINARY.values())}}
    return parse_labels({"groups": groups}, "ordinary", "ordinary")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as for `fashiontag --model`; default: the embedded one")
    parser.add_argument("--split", default="test", choices=("val", "test"))
    parser.add_argument("--fit", action="store_true", help="fit on pool, write into the model")
    parser.add_argument("--work", type=Path, help="keep pictures and vectors here between runs")
    arguments = parser.parse_args()
    encoder = resolve(arguments.model)
    with tempfile.TemporaryDirectory() as scratch:
        place = arguments.work or Path(scratch)
        with Workspace.open(place / "workspace", encoder) as workspace:
            if arguments.fit:
                space = load_labels("fashion-products")
                statistics = Judge(workspace, space).head.statistics
                pool, val = (look(workspace, space, split, place) for split in ("pool", "val"))
                fitted, told = fit(pool, val, space, statistics)
                assert encoder.folder is not None
                fitted.save(encoder.folder / FILE_NAME)
                print(told)
                return
            lines = report(workspace, arguments.split, place)
    if arguments.split == "val":
        print("\n".join(lines))
        return
    head = [
        "# Products of several photos",
        "",
        f"`python -m benchmarks.products_fused` · {products.made_with(encoder)}",
        "",
    ]
    markdown.write(RESULTS / "products-fused.md", [*head, *lines])


if __name__ == "__main__":
    main()
