"""What parents in a label file give: ``python -m benchmarks.parents WORKSPACE``.

Val's products, with pictures alone and with plain titles, by trees of labels and by the same labels
without anything above them. Trees are made of what the seller wrote of backbone and pool: a type
stands under the sub-category that most of its products have, and a path is a label where at least
`LEAST` products have it. Written to ``benchmarks/results/parents.md``.
"""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown, products
from benchmarks.fit_statistics import join
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.paths import RESULTS
from fashiontag.encoders import resolve
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.thresholds import Decider
from fashiontag.labels import Label, LabelSpace, load_labels, parse_labels
from fashiontag.names import PATH
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.products import Products
    from fashiontag.heads.zeroshot import Scores

RESULT = RESULTS / "parents.md"
LEAST = 5
TYPES = load_labels("fashion-products").group("articleType")
PATHS = (
    ("gender", "subCategory", "articleType"),
    ("masterCategory", "subCategory", "articleType"),
    ("gender", "articleType"),
)
HEAD = (
    *("labels", "titles", "products", "best lowest label", "given", "right of the given"),
    *("parents given", "right of them"),
)


@dataclass(frozen=True)
class Tree:
    """Labels, the group in question, and which of its lowest hold of each product, () for none."""

    name: str
    space: LabelSpace
    group: str
    truth: Sequence[frozenset[str]]

    def flat(self) -> Tree:
        """Return the lowest labels alone."""
        tags = np.array(self.space.tags)[self.space.lowest].tolist()
        return Tree(f"{self.name}, flat", self.space.only(tags), self.group, self.truth)


def under_categories(known: Products, val: Products) -> Tree:
    """Return the types under sub-categories, and these under master categories."""
    levels = ("articleType", "subCategory", "masterCategory")
    space, labels = load_labels("fashion-products"), []
    for level, above in zip(levels, (*levels[1:], ""), strict=True):
        for label in space.group(level).labels:
            rows = known.attributes[level] == label.name
            upper = Counter(known.attributes[above][rows]).most_common(1) if above else []
            parent = f"{above} {upper[0][0]}" if upper and upper[0][0] else ""
            name = label.name if level == levels[0] else f"{level} {label.name}"
            words = label.words or (label.name,)
            entry = {"name": name, "words": words, "aliases": label.aliases, "parent": parent}
            labels.append(entry)
    wanted = {entry["name"] for entry in labels if entry["name"] in TYPES.names}
    for entry in labels:  # what stands over something; lower levels come first
        wanted |= {entry["parent"]} if entry["name"] in wanted else set()
    labels = [entry for entry in labels if entry["name"] in wanted]
    group = {"labels": labels, "templates": TYPES.templates}
    made = parse_labels({"groups": {"articleType": group}}, space.name, "tree")
    truth = [frozenset({kind} - {""}) for kind in val.attributes["articleType"]]
    return Tree("types under categories", made, "articleType", truth)


def by_path(columns: Sequence[str], known: Products, val: Products) -> Tree:
    """Return paths of attributes, as a shop would call its shelves."""

    def paths(of: Products) -> Iterator[str]:
        words = {label.name: (label.words or (label.name,))[0] for label in TYPES.labels}
        for *upper, kind in zip(*(of.attributes[name] for name in columns), strict=True):
            parts = (*upper, words.get(kind, kind).capitalize())
            yield PATH.join(parts) if all(parts) else ""

    often = {path for path, count in Counter(paths(known)).items() if path and count >= LEAST}
    space = parse_labels({"groups": {"shelf": {"labels": sorted(often)}}}, "mine", "paths")
    truth = [frozenset({path} & often) for path in paths(val)]
    return Tree(PATH.join(columns), space, "shelf", truth)


def shipped(val: Products) -> Tree:
    """Return the default labels; right is what the seller's type is called there."""
    space = load_labels("fashion")
    names = np.array(space.group("category").names)
    matcher, span = TitleMatcher(space), space.span("category")

    def called(label: Label) -> frozenset[str]:
        found = matcher.score(list(label.words or (label.name,)))[:, span]
        return frozenset(names[(found == 1).any(axis=0)].tolist())

    calls = {label.name: called(label) for label in TYPES.labels}
    truth = [calls.get(kind, frozenset()) for kind in val.attributes["articleType"]]
    return Tree("the default labels' category", space, "category", truth)


def row(tree: Tree, titles: str, scores: Scores, families: FamilyBootstrap) -> list[str]:
    """Return one line of the table."""
    span, above = tree.space.span(tree.group), tree.space.tags_above
    names, lowest = np.array(tree.space.group(tree.group).names), tree.space.lowest[span]
    best = names[np.where(lowest, scores.labels[:, span], -1).argmax(axis=1)]
    tags = Decider(tree.space).decide(scores)
    given = [next((tag.label for tag in own if tag.group == tree.group), "") for own in tags]
    hits, filled, right, upper = (np.full(len(given), np.nan) for _ in range(4))
    for place, (label, true) in enumerate(zip(given, tree.truth, strict=True)):
        if not true:
            continue
        hits[place], filled[place] = best[place] in true, bool(label)
        if label:
            tagged = (f"{tree.group}={one}" for one in true)
            over = {tag.partition("=")[2] for one in tagged for tag in above.get(one, ())}
            right[place] = label in true | over
            if not lowest[names == label].any():
                upper[place] = right[place]
    parents = int((~np.isnan(upper)).sum())
    means = [markdown.interval(families.mean(values)) for values in (hits, filled, right)]
    of_them = markdown.interval(families.mean(upper)) if parents else ""
    known = int((~np.isnan(hits)).sum())
    return [tree.name, titles, f"{known:,}", *means, f"{parents:,}", of_them]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workspace", type=Path)
    place = parser.parse_args().workspace
    val, known, encoder = products.load(["val"]), products.load(["backbone", "pool"]), resolve()
    trees = [under_categories(known, val), shipped(val)]
    trees += [by_path(columns, known, val) for columns in PATHS]
    families = FamilyBootstrap(val.families)
    rows = []
    with Workspace.open(place, encoder) as workspace:
        windows = {name: list(embed(workspace, val.items(name))) for name in ("absent", "plain")}
        for tree in trees:
            for one in (tree.flat(), tree):
                judge = Judge(workspace, one.space)
                for titles, parts in windows.items():
                    evidence = join([judge.evidence(part) for part in parts])
                    rows.append(row(one, titles, judge.head.score(evidence), families))
    top = [
        "# Labels under others", "",
        f"`python -m benchmarks.parents WORKSPACE` · {products.made_with(encoder)}.", "",
        f"Split `val`, {len(val.ids):,} products; those without such a label are left out. Right "
        "is the true label or what it stands under; the best lowest label is top-1. Flat: the same "
        "lowest labels with nothing above them, a path by its last part alone. 95 % intervals over "
        "families.", "",
    ]  # fmt: skip
    markdown.write(RESULT, [*top, *markdown.table(HEAD, rows), ""])


if __name__ == "__main__":
    main()
