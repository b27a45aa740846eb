"""Labelled catalogues for a suite: split by family, in four title conditions, embedded once."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.lab.drawn import draw_catalogue
from benchmarks.lab.methods import Rows
from benchmarks.paths import data_root
from fashiontag.catalog import clean_title, read_catalog
from fashiontag.catalog.families import find_families
from fashiontag.errors import CatalogError, UsageError
from fashiontag.heads.training import Training
from fashiontag.labels import load_labels
from fashiontag.words import split
from fashiontag.workspace.embed import embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Item
    from fashiontag.labels import LabelSpace
    from fashiontag.workspace import Workspace

    Ints = NDArray[np.int64]

CONDITIONS = ("plain", "masked", "absent", "swapped")
FIT_CONDITION = {"plain": "plain", "masked": "masked", "absent": "absent", "swapped": "plain"}
"""What a method is fitted on; titles are swapped in the test only."""
SPLITS = ("official", "family", "random")
SWAPPED = 0.2
EMPTY = {"", "NA"}
"""Cells that sellers left blank: not known, which is not "none of these"."""
SHARES = (0.7, 0.1, 0.2)


@dataclass(frozen=True, slots=True)
class DataSpec:
    """One data table of a suite.

    Attributes
    ----------
    name, source : str
        `source` is ``drawn``, a folder in the Kaggle layout (``styles.csv``, ``images/``), looked
        for here and in `benchmarks.paths.data_root`; or any source of ``tag``,
        ``hf:NAME`` included, whose columns name the groups.
    labels : str
        A label file; `groups` and `tags` take a part of it.
    split : str
        ``official``: the splits that ``splits.csv`` names, by `train`, `val` and `test`.
        ``family``: 7:1:2, families whole; those that an encoder was trained on (split
        ``backbone``) serve training first. ``random``: 7:1:2 of the same products, families torn.
    types, products : int
        Under-sampling: the most frequent labels of the first group, and so many products of each.
    limit : int
        At most so many products per split, to try a suite out.
    least_positives : int
        A label with fewer in the test is left out and counted.
    """

    name: str
    source: str
    labels: str = "fashion-products"
    groups: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    split: str = "family"
    train: tuple[str, ...] = ("pool",)
    val: tuple[str, ...] = ("val",)
    test: tuple[str, ...] = ("test",)
    types: int = 0
    products: int = 0
    limit: int = 0
    least_positives: int = 20
    seed: int = 0


class Dataset:
    """A catalogue with its labels and its split.

    Attributes
    ----------
    spec : DataSpec
    space : LabelSpace
        The labels with enough positives in the test and enough families in training.
    left_out : tuple of str
        ``group=label (test positives, training families)`` of the others.
    complaints : tuple of str
        A sentence for every label or group that the suite names and that can't be measured.
    families : ndarray of shape (n,), int64
    parts : dict of str to ndarray
        Rows of train, val and test; val may be empty.
    seen : float
        Share of the test products whose pictures the embedded model was trained on.

    Raises
    ------
    UsageError, CatalogError
        The data can't be had, or nothing in it can be measured.
    """

    def __init__(self, spec: DataSpec, workspace: Path, shots: int = 1) -> None:
        self.spec = spec
        folder = _locate(spec.source, workspace)
        self._tables: dict[str, dict[str, str]] = {}
        if folder is not None and (folder / "styles.csv").is_file():
            catalog = read_catalog(str(folder / "images"), folder / "styles.csv")
            self._tables = {
                name: _table(folder / f"titles_{name}.csv", "title")
                for name in ("masked", "swapped")
            }
        else:
            catalog = read_catalog(spec.source if folder is None else str(folder))
        self.items = tuple(catalog.items)
        table = {} if folder is None else rows_by_id(folder / "splits.csv")
        self._official = np.array([table.get(_stem(i), {}).get("split", "") for i in self.items])
        marks = [table.get(_stem(item), {}).get("family", "") for item in self.items]
        if all(marks):
            self.families = np.unique(marks, return_inverse=True)[1].astype(np.int64)
        else:
            none = [None] * len(self.items)
            self.families = find_families(none, [item.text for item in self.items])
        self._whole = self._offered()
        self._all_targets = targets_of(self.items, self._whole)
        self.parts = self._split()
        self.seen = float((self._official[self.parts["test"]] == "backbone").mean())
        self.space, self.left_out, self.complaints = self._eligible(shots)
        self._rows: dict[tuple[str, str, str], Rows] = {}

    def rows(self, part: str, condition: str, workspace: Workspace) -> Rows:
        """Return one split under one condition, embedded at the first call."""
        key = (part, condition, workspace.encoder.fingerprint)
        if key not in self._rows:
            self._rows[key] = self._embedded(part, condition, workspace)
        return self._rows[key]

    def _embedded(self, part: str, condition: str, workspace: Workspace) -> Rows:
        at = self.parts[part]
        items = [
            replace(self.items[row], title=title, text=clean_title(title))
            for row, title in zip(at.tolist(), self.titles(at, condition), strict=True)
        ]
        windows = list(embed(workspace, items))
        images = np.concatenate([one.images for one in windows])
        texts = np.concatenate([one.texts for one in windows])
        dim = workspace.encoder.dim
        kept = np.flatnonzero(images >= 0)  # what can't be read is nobody's to judge
        keys = [key or "" for window in windows for key in window.image_keys]
        readable = [items[row] for row in kept]
        training = Training(
            ids=tuple(item.id for item in readable),
            image_keys=tuple(keys[row] for row in kept),
            texts=tuple(item.text for item in readable),
            images=workspace.images.padded(images[kept], dim).astype(np.float16),
            titles=workspace.texts.padded(texts[kept], dim).astype(np.float16),
            space=self.space,
            targets=targets_of(readable, self.space),
        )
        return Rows(tuple(readable), self.families[at[kept]], training)

    def titles(self, at: Ints, condition: str) -> list[str]:
        """Return the titles of some rows under a condition."""
        items = [self.items[row] for row in at.tolist()]
        if condition == "absent":
            return [""] * len(items)
        if condition == "plain":
            return [item.title for item in items]
        table = self._tables.get(condition, {})
        if all(_stem(item) in table for item in items):
            return [table[_stem(item)] for item in items]
        return self._masked(items) if condition == "masked" else self._swapped(at)

    def _masked(self, items: Sequence[Item]) -> list[str]:
        """Take the words out of titles that stand in any label's name or synonyms."""
        terms = {term for g in self._whole.groups for label in g.labels for term in label.terms}
        words = {word for term in terms for word in split(term)}
        words |= {word + "s" for word in words}
        return [
            " ".join(word for word in item.text.split() if not words & set(split(word)))
            for item in items
        ]

    def _swapped(self, at: Ints) -> list[str]:
        """Give a fifth of the products another's title, of the same label of the first group."""
        rng = np.random.default_rng(self.spec.seed)
        first = self._all_targets[at][:, self._whole.span(self._whole.names[0])]
        kind = np.where((first == 1).any(axis=1), first.argmax(axis=1), -1)
        titles = [self.items[row].title for row in at.tolist()]
        out = list(titles)
        for row in np.flatnonzero(rng.random(len(at)) < SWAPPED).tolist():
            others = np.flatnonzero((kind == kind[row]) & (np.arange(len(at)) != row))
            if len(others):
                out[row] = titles[int(rng.choice(others))]
        return out

    def _offered(self) -> LabelSpace:
        """Return the labels that the suite asks for, whose groups have to be columns."""
        space = load_labels(self.spec.labels)
        for group in self.spec.groups:
            space.group(group)
        for tag in self.spec.tags:
            space.column(tag)
        groups = self.spec.groups or tuple(dict.fromkeys(t.split("=")[0] for t in self.spec.tags))
        columns = {name for item in self.items for name in item.fields}
        missing = [name for name in groups or space.names if name not in columns]
        if missing:
            raise UsageError(
                f"{self.spec.source} has no column {missing[0]!r} for the group of that name; its "
                f"columns are {', '.join(sorted(columns)) or 'none'}; set groups."
            )
        named = set(self.spec.tags)
        return space.only(
            {
                tag
                for tag in space.tags
                if (not groups or tag.split("=")[0] in groups) and (not named or tag in named)
            }
        )

    def _split(self) -> dict[str, Ints]:
        spec, rng = self.spec, np.random.default_rng(self.spec.seed)
        names = ("train", "val", "test")
        if spec.split == "official":
            if not self._official.any():
                raise UsageError(f"{spec.source} has no splits.csv; set split = 'family'.")
            picked = [np.isin(self._official, getattr(spec, name)) for name in names]
            parts = [np.flatnonzero(mask) for mask in picked]
        else:
            parts = self._drawn(rng)
        if spec.limit:
            parts = [np.sort(rng.permutation(part)[: spec.limit]) for part in parts]
        if not len(parts[0]) or not len(parts[2]):
            raise CatalogError(f"{spec.name}: the split leaves no product to train or test on.")
        return dict(zip(names, parts, strict=True))

    def _drawn(self, rng: np.random.Generator) -> list[Ints]:
        """Split 7:1:2, label by label of the first group."""
        span = self._whole.span(self._whole.names[0])
        first = self._all_targets[:, span] == 1
        counts = first.sum(axis=0)
        order = np.argsort(-counts, kind="stable")
        kinds = [kind for kind in order if counts[kind] >= max(self.spec.products, 1)]
        if len(kinds) < self.spec.types:
            raise CatalogError(
                f"{self.spec.name}: {len(kinds)} labels have {self.spec.products} products, "
                f"{self.spec.types} were asked for; ask for less of either."
            )
        parts: list[list[int]] = [[], [], []]
        for kind in kinds[: self.spec.types or None]:
            rows = np.flatnonzero(first[:, kind])
            quotas = [round(share * (self.spec.products or len(rows))) for share in SHARES]
            for part, some in zip(parts, self._of_one_kind(rows, quotas, rng), strict=True):
                part += some
        return [np.sort(np.array(part, np.int64)) for part in parts]

    def _of_one_kind(
        self, rows: Ints, quotas: list[int], rng: np.random.Generator
    ) -> list[list[int]]:
        """Fill test and val with whole families, unseen ones first; what is left trains."""
        families = rng.permutation(np.unique(self.families[rows]))
        members = {
            family: rows[self.families[rows] == family].tolist() for family in families.tolist()
        }
        seen = {
            family: (self._official[some] == "backbone").any() for family, some in members.items()
        }
        queue = sorted(members, key=lambda family: bool(seen[family]))
        parts: list[list[int]] = [[], [], []]
        for which in (2, 1):
            for family in list(queue):
                if len(parts[which]) + len(members[family]) <= quotas[which]:
                    parts[which] += members[family]
                    queue.remove(family)
        rest = [row for family in rng.permutation(queue).tolist() for row in members[family]]
        parts[0] = rest[: quotas[0]]
        if self.spec.split == "random":
            mixed = rng.permutation(np.concatenate(parts)).tolist()
            ends = np.cumsum([len(part) for part in parts])
            parts = [part.tolist() for part in np.split(np.array(mixed, np.int64), ends[:-1])]
        return parts

    def _eligible(self, shots: int) -> tuple[LabelSpace, tuple[str, ...], tuple[str, ...]]:
        """Keep the labels that every method can learn and every metric can judge."""
        train, test = self.parts["train"], self.parts["test"]
        kept: set[str] = set()
        left_out, complaints = [], []
        for column, tag in enumerate(self._whole.tags):
            positives = int((self._all_targets[test, column] == 1).sum())
            of = train[self._all_targets[train, column] == 1]
            families = len(np.unique(self.families[of]))
            if positives >= self.spec.least_positives and families >= shots:
                kept.add(tag)
                continue
            if positives or families:
                left_out.append(f"{tag} ({positives}, {families})")
            if tag in self.spec.tags:
                complaints.append(
                    f"{self.spec.name}: {tag} has {positives} positives in the test split and "
                    f"{families} families in training; {self.spec.least_positives} and {shots} are "
                    "needed, so it is left out."
                )
        groups = {tag.split("=")[0] for tag in kept}
        complaints += [
            f"{self.spec.name}: no label of the group {name} has {self.spec.least_positives} "
            f"positives in the test split and {shots} families in training; it is left out."
            for name in self._whole.names
            if name not in groups and not self.spec.tags
        ]
        if not kept:
            raise CatalogError(f"{self.spec.name}: no label can be measured. {complaints[0]}")
        return self._whole.only(kept), tuple(left_out), tuple(complaints)


def targets_of(items: Sequence[Item], space: LabelSpace) -> NDArray[np.int8]:
    """Return what sellers entered, shape (n, t); -1 for a blank cell, 0 for another label."""
    out = np.full((len(items), space.size), -1, np.int8)
    for name in space.names:
        span = space.span(name)
        place = {label: at for at, label in enumerate(space.group(name).names)}
        for row, item in enumerate(items):
            cell = item.fields.get(name, "")
            if cell not in EMPTY:
                out[row, span] = 0
                given = [place[label] for label in {cell, *cell.split("|")} if label in place]
                out[row, [span.start + at for at in given]] = 1
    return out


def _locate(source: str, workspace: Path) -> Path | None:
    """Return the folder of a source; None for one that is no folder."""
    if source == "drawn":
        folder = workspace / "drawn"
        if not (folder / "styles.csv").is_file():  # written last
            draw_catalogue(folder)
        return folder
    if source.startswith("hf:"):
        return None
    roots = (Path(), data_root())
    for root in roots:
        if (root / Path(source).expanduser()).exists():
            return root / Path(source).expanduser()
    raise UsageError(
        f"There is no data {source}, neither here nor in {roots[1]}; set FASHIONTAG_DATA to the "
        "folder that holds it."
    )


def rows_by_id(path: Path) -> dict[str, dict[str, str]]:
    """Read a table of the Kaggle layout: its rows by their column ``id``; {} if it isn't there."""
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def _stem(item: Item) -> str:
    return Path(item.id).stem


def _table(path: Path, column: str) -> dict[str, str]:
    return {key: row[column] for key, row in rows_by_id(path).items()}
