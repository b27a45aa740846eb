"""Does the audit find what is wrong? ``python -m benchmarks.audit``.

Faults are planted in the products of ``test`` (titles plain; constants were chosen on ``val`` with
the same plants): photos and titles exchanged between types and between colours, wrong cells of the
type's and the colour's column, listings copied with a changed photo, and photos blurred, shrunk,
written on, or of nothing. Then `fashiontag.workflows.audit.audit` looks for them, beside cleanlab
alone and beside a plain compare of tags with columns. Written to ``benchmarks/results/audit.md``.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from benchmarks import markdown
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.lab.data import EMPTY, rows_by_id
from benchmarks.paths import RESULTS
from benchmarks.products import data_folder, made_with
from examples.drawing import NOTHING_KINDS, draw_nothing
from fashiontag.catalog import read_catalog
from fashiontag.encoders import resolve
from fashiontag.labels import load_labels
from fashiontag.workflows.audit import Seen, audit
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from fashiontag.workflows.audit import Finding

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
    others = iter(sorted(planter.large))
    planter.pictures(
        "several products",
        30,
        lambda photo: beside(photo, Image.open(planter.images / f"{next(others)}.jpg")),
    )
    return planter.write()


def beside(photo: Image.Image, other: Image.Image) -> Image.Image:
    """Put another product's photo beside one."""
    wide = Image.new("RGB", (photo.width + other.width, max(photo.height, other.height)), "white")
    wide.paste(photo, (0, 0))
    wide.paste(other, (photo.width, 0))
    return wide


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


CHECKS = {
    "photo and title": ("photo and title, colour", "photo and title, type"),
    "wrong category": ("category column",),
    "wrong column": ("colour column",),
    "duplicate": ("duplicate",),
    "no product": ("nothing",),
    "small": ("small",),
    "text over it": ("text over it",),
    "blurred": ("blurred",),
    "several products": ("several products",),
}
"""By check, the kinds that it is to find."""
CONTRADICTIONS = tuple(kind for check in tuple(CHECKS)[:4] for kind in CHECKS[check])
TOP = 50


def key_of(name: str) -> str:
    return name.partition(".")[0]


def recalls(found: list[Finding], planted: Planted) -> Iterator[list[str]]:
    """Yield a row per kind: planted, found within twice as many places of its check, recall."""
    for check, kinds in CHECKS.items():
        listed = [finding for finding in found if finding.check == check and finding.ids]
        places = 2 * sum(len(planted.faults[kind]) for kind in kinds)
        there = {key_of(key) for finding in listed[:places] for key in finding.ids}
        for kind in kinds:
            faults = planted.faults[kind]
            hit = sum(key in there for key in faults)
            yield [
                check,
                kind,
                *map(str, (len(faults), len(listed), hit)),
                f"{hit / len(faults):.2f}",
            ]


class Lists:
    """Rankings of products, by how much of their top is planted."""

    def __init__(self, planted: Planted, kinds: tuple[str, ...]) -> None:
        self.faulty = {key for kind in kinds for key in planted.faults[kind]}
        self.keys = list(planted.families)
        families = FamilyBootstrap(np.array([planted.families[key] for key in self.keys]))
        self.place = {key: at for at, key in enumerate(self.keys)}
        self.weights = families.weights
        self.interval = families.interval

    def precision(self, ranked: list[str], weights: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the planted share of the first 50 places under weightings of shape (b, n)."""
        ranked = list(dict.fromkeys(ranked))
        taken = weights[:, [self.place[key] for key in ranked]].astype(np.float64)
        upto = np.minimum(np.cumsum(taken, axis=1), TOP)
        inside = np.diff(upto, axis=1, prepend=0)
        return inside @ np.array([key in self.faulty for key in ranked]) / upto[:, -1]

    def row(self, name: str, ranked: list[str], ours: list[str]) -> list[str]:
        alike = np.ones((1, len(self.keys)), np.float32)
        values = [self.precision(one, alike)[0] for one in (ranked, ours)]
        drawn = [self.precision(one, self.weights) for one in (ranked, ours)]
        own = self.interval(values[0], drawn[0])
        ahead = self.interval(values[1] - values[0], drawn[1] - drawn[0])
        return [name, str(own), "" if ranked is ours else str(ahead)]


def baselines(seen: Seen) -> Iterator[tuple[str, list[str]]]:
    """Yield what others rank: cleanlab by held-out classifiers and by ours, and a plain compare."""
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    keys = [key_of(item.id) for item in seen.items]
    scored: dict[str, dict[str, float]] = {"trained": {}, "ours": {}, "plain": {}}

    def put(way: str, row: int, badness: float) -> None:
        scored[way][keys[row]] = max(badness, scored[way].get(keys[row], -1.0))

    vectors = np.hstack([seen.evidence.images, seen.evidence.titles])
    for group, (_, named) in seen.columns.items():
        span = seen.space.span(group)
        given = named[:, span]
        rows = np.flatnonzero((given == 1).sum(axis=1) == 1)
        labels = given[rows].argmax(axis=1)
        ours = seen.scores.labels[rows][:, span]
        for row, label, shares in zip(rows, labels, ours, strict=True):
            if shares.argmax() != label:
                put("plain", row, float(shares.max()))
        shares = ours / np.maximum(ours.sum(axis=1, keepdims=True), 1e-9)
        for row, quality in zip(rows, get_label_quality_scores(labels, shares), strict=True):
            put("ours", row, 1 - float(quality))
        common = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 5))
        rows, labels = rows[common], labels[common]
        _known, labels = np.unique(labels, return_inverse=True)
        held_out = cross_val_predict(
            LogisticRegression(C=10, max_iter=500),
            vectors[rows],
            labels,
            cv=StratifiedKFold(5, shuffle=True, random_state=0),
            method="predict_proba",
        )
        for row, quality in zip(rows, get_label_quality_scores(labels, held_out), strict=True):
            put("trained", row, 1 - float(quality))
    names = {
        "trained": "cleanlab, classifiers of its own, five folds",
        "ours": "cleanlab, our scores",
        "plain": "tags beside columns, surest first",
    }
    for way, bad in scored.items():
        yield names[way], sorted(bad, key=lambda key: -bad[key])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", default="test", help="val for choosing constants")
    split = parser.parse_args().split
    encoder, space = resolve(None), load_labels("fashion-products")
    with tempfile.TemporaryDirectory() as scratch:
        planted = plant(split, Path(scratch) / "catalogue")
        with Workspace.open(Path(scratch) / "workspace", encoder) as workspace:
            catalog = read_catalog(str(planted.folder / "images"), planted.folder / "titles.csv")
            whole = audit(workspace, catalog, space, min_side=200)
            shown = [i for i in catalog.items if min(Image.open(i.path).size) >= LARGE]
            small = {f"{key}.jpg" for key in planted.faults["small"]}
            shown += [item for item in catalog.items if item.id in small]
            large = audit(workspace, replace(catalog, items=shown), space, min_side=200)
            seen = Seen.of(Judge(workspace, space), catalog, {}, DEFAULTS)
        found = [finding for finding in whole.findings if finding.check != "small"]
        found += [finding for finding in large.findings if finding.check == "small"]
        counts = Counter(key for key in seen.keys if key)
        same = {i.id for i, key in zip(catalog.items, seen.keys, strict=True) if counts[key] > 1}
        faulty = {key for faults in planted.faults.values() for key in faults}
        top = [f for f in whole.findings if f.ids][:TOP]
        planted_top = sum(any(key_of(key) in faulty for key in f.ids) for f in top)
        true_top = sum(any(key_of(k) in faulty or k in same for k in f.ids) for f in top)
        lists = Lists(planted, CONTRADICTIONS[:4])
        labels = ("photo and title", "wrong category", "wrong column")
        ours = [key_of(f.ids[0]) for f in whole.findings if f.check in labels and f.ids]
        rows = [lists.row("audit", ours, ours)]
        rows += [lists.row(name, ranked, ours) for name, ranked in baselines(seen)]
        others = [
            f"{f.rank} {f.check} {f.id} ({f.score:.2f}): {f.evidence}"
            for f in whole.findings
            if f.ids and not any(key_of(k) in faulty or k in same for k in f.ids)
        ][:60]
    lines = [
        "# The audit",
        "",
        f"`python -m benchmarks.audit --split {split}` · {made_with(encoder)}",
        "",
        f"Faults planted in {len(catalog.items):,} products of `{split}`, titles plain, labels "
        "`fashion-products`. Constants were fitted on `val` with the same plants.",
        "",
        f"Of the first {TOP} findings {planted_top} are of planted faults, and {true_top} of "
        "planted faults or of listings that have the very same photo by its bytes.",
        "",
        "## Found within twice as many places of its check as were planted",
        "",
        *markdown.table(
            ["check", "planted", "how many", "findings", "found", "recall"], recalls(found, planted)
        ),
        "",
        f"## Planted faults among the first {TOP} products, of those in titles and columns",
        "",
        *markdown.table(["", "precision", "the audit is ahead by"], rows),
        "",
        "## The first 60 findings that nobody planted",
        "",
        *(f"- {line}" for line in others),
        "",
    ]
    name = "audit" if split == "test" else f"audit-{split}"
    markdown.write(RESULTS / f"{name}.md", lines)


if __name__ == "__main__":
    main()
