"""Everything that training reads, gathered once: items, truths, captions, text numbers."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.train_mini import pictures, words
from benchmarks.train_mini.texts import Texts, read, remember_words
from fashiontag.labels import load_labels

if TYPE_CHECKING:
    from pathlib import Path

PARTS = 3  # of a title, as people search


@dataclass
class Material:
    """Pictures by source and row, what is true of them, and what is said of them.

    `title_*` are texts with a truth but without a picture (and all titles of pictured items).
    """

    groups: list[words.Group]
    source: list[str]  # name of the .npy per picture
    at: np.ndarray  # (n,) row in it
    family: np.ndarray  # (n,) numbers; pictures without a family get their own
    masks: dict[str, np.ndarray]  # group → (n, labels + 1) bool
    titles: list[list[int]]  # text numbers: titles and parts of them, may be empty
    composed: list[list[int]]  # text numbers: composed captions
    title_text: np.ndarray  # (m,) text numbers
    title_family: np.ndarray
    title_masks: dict[str, np.ndarray]
    sentences: dict[str, list[list[int]]]  # group → per label (and background) text numbers
    texts: list[str] = field(default_factory=list)
    vectors: np.ndarray = field(default_factory=lambda: np.zeros(0))

    def pixels(self, work: Path) -> dict[str, np.ndarray]:
        """Open the memory-mapped pictures by source."""
        return {s: np.load(work / f"{s}.npy", mmap_mode="r") for s in sorted(set(self.source))}


def held_out(path: Path | None) -> tuple[frozenset[str], frozenset[str]]:
    """Types and groups that are left out; with a file, `usage` is."""
    if path is None:
        return frozenset(), frozenset()
    types = [line.strip() for line in path.read_text().splitlines() if line.strip()]
    return frozenset(types), frozenset({"usage"})


def held_words(types: frozenset[str], groups: frozenset[str]) -> list[str]:
    """All words of the held-out labels, so that no caption names them."""
    found = []
    for group in load_labels("fashion-products").groups:
        for label in group.labels:
            if (group.name == "articleType" and label.name in types) or group.name in groups:
                found += [label.name.lower(), *label.words, *label.aliases]
    return [w for w in found if w != "home"]


def gather(data: Path, work: Path, *, hold_out: Path | None, quick: bool) -> Material:
    """Read tables, compose captions, embed all texts (cached)."""
    types, left = held_out(hold_out)
    allowed = words.Filter(held_words(types, left))
    groups = words.build_groups(allowed, types, left)
    targets = words.Targets(groups)
    captions, texts = words.Captions(targets, allowed, seed=1), Texts()
    pictured, titled = words.split_rows(pictures.read_tables(data), types)
    if quick:
        pictured, titled = pictured[::4].reset_index(drop=True), titled[::4].reset_index(drop=True)
    families = {f: i for i, f in enumerate(sorted({*pictured.family, *titled.family}))}
    source, at, family, truths = [], [], [], []
    titles: list[list[int]] = []
    composed: list[list[int]] = []

    def said(found: list[str | None]) -> list[int]:
        return texts.add_all(dict.fromkeys(t for t in found if t))

    for row in pictured.itertuples():
        truth = targets.product(row)
        title = row.productDisplayName
        source.append("backbone")
        at.append(row.at)
        family.append(families[row.family])
        truths.append(truth)
        titles.append(said([captions.title(title), *(captions.part(title) for _ in range(PARTS))]))
        composed.append(said([captions.compose(truth, row.gender) for _ in range(3)]))
    own = len(families)
    for i, row in enumerate(pictures.clothing_rows(data, "train").itertuples()):
        if types.intersection(words.PLAIN[row.plain][1]):
            continue  # the class holds held-out types
        truth = targets.ordinary(row.plain)
        source.append("clothing_train")
        at.append(i)
        family.append(own := own + 1)
        truths.append(truth)
        titles.append([])
        composed.append(said([captions.compose({"plain": truth["plain"]}) for _ in range(2)]))
    for i, row in enumerate(
        pictures.drawn_rows(pictures.DRAWN // (4 if quick else 1)).itertuples()
    ):
        truth = targets.drawn(row)
        if types.intersection(words.KIND_TYPES.get(row.kind, ())):
            continue
        pattern = "" if row.pattern == "solid" else row.pattern
        text = " ".join(f"{row.color} {pattern} {row.kind}".split())
        source.append("drawn")
        at.append(i)
        family.append(own := own + 1)
        truths.append(truth)
        titles.append([])
        composed.append(
            said([text if allowed(text) else None, *(captions.compose(truth) for _ in range(2))])
        )
    kinds = pictures.nothing_rows(pictures.NOTHING // (4 if quick else 1))
    for i, kind in enumerate(kinds.nothing):
        source.append("nothing")
        at.append(i)
        family.append(own := own + 1)
        truths.append(targets.nothing())
        titles.append([])
        composed.append(said(list(words.NOTHING_WORDS[kind])))

    title_text, title_family, title_truths = [], [], []
    for row in (*pictured.itertuples(), *titled.itertuples()):
        title = captions.title(row.productDisplayName)
        if title:
            title_text.append(texts.add(title))
            title_family.append(families[row.family])
            title_truths.append(targets.product(row))
    sentences = {g.name: [texts.add_all(s) for s in g.sentences] for g in groups}
    result = Material(
        groups, source, np.array(at), np.array(family), targets.masks(truths), titles, composed,
        np.array(title_text), np.array(title_family), targets.masks(title_truths), sentences,
        list(texts.ids),
    )  # fmt: skip
    _keep_seen(result)
    remember_words(result.texts, work)
    result.vectors = read(result.texts, work)
    (work / "texts.json").write_text(json.dumps(result.texts))
    return result


def _keep_seen(material: Material) -> None:
    """Drop labels that nothing here is an example of.

    As eternal negatives they would be pushed away from the very pictures that they fit.
    """
    kept = []
    for group in material.groups:
        mask, titles = material.masks[group.name], material.title_masks[group.name]
        seen = mask.any(0) | titles.any(0)
        seen[-1] = True
        ids = np.flatnonzero(seen[:-1])
        if len(ids) < 2:
            continue
        material.masks[group.name], material.title_masks[group.name] = (
            mask[:, seen],
            titles[:, seen],
        )
        said = material.sentences[group.name]
        material.sentences[group.name] = [*(said[i] for i in ids), said[-1]]
        kept.append(
            words.Group(
                group.name, tuple(group.labels[i] for i in ids),
                (*(group.sentences[i] for i in ids), group.sentences[-1]),
                tuple(group.words[i] for i in ids),
            )
        )  # fmt: skip
    material.groups = kept
