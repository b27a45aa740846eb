"""Fit the constants of the audit on ``val``: ``python -m benchmarks.fit_audit``.

Faults are planted as `benchmarks.audit` does, by `SEEDS` in turn; whatever else contradicts is
taken to be right, so chances are those of a catalogue in which only what was planted is wrong.
Prints the weights of `fashiontag.heads.doubt` and `SAME` of `fashiontag.workflows.audit`.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.audit import Planted, key_of, plant
from fashiontag.catalog import read_catalog
from fashiontag.encoders import resolve
from fashiontag.heads.doubt import Against, evidence_against, judged_groups
from fashiontag.index import pairs
from fashiontag.labels import load_labels
from fashiontag.workflows.audit import ALIKE, NEIGHBOURS, Seen, apart, witness_of
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Samples = tuple[NDArray[np.float64], NDArray[np.bool_]]

SEEDS = (23, 24, 25, 26)
STRENGTH = 10.0  # inverse of the penalty
TITLES = ("photo and title, colour", "photo and title, type")
CELLS = ("colour column", "category column")


def doubts(seen: Seen, planted: Planted) -> Iterator[tuple[tuple[str, bool], Samples]]:
    """Yield, by source and whether the group is the main one, evidence and what is planted."""

    def at_fault(found: Against, kinds: tuple[str, ...]) -> NDArray[np.bool_]:
        faulty = {key for kind in kinds for key in planted.faults[kind]}
        return np.array([key_of(seen.items[row].id) in faulty for row in found.rows.tolist()])

    words = seen.evidence.words
    for group in judged_groups(seen.space):
        main = seen.space.main is not None and group == seen.space.main.name
        titles = evidence_against(
            seen.space, group, words, seen.looks, seen.looks, witness_of(seen, group)
        )
        cells = evidence_against(seen.space, group, seen.columns[group][1], seen.scores, seen.looks)
        every = np.column_stack([titles.odds, titles.look, titles.witness])
        wrong = at_fault(titles, TITLES)
        yield ("title", main), (every, wrong)
        yield ("alone", main), (every[:, :1], wrong)
        yield ("column", main), (np.column_stack([cells.odds, cells.look]), at_fault(cells, CELLS))


def copies(seen: Seen, planted: Planted) -> Samples:
    """Return how far prints of neighbours are apart, and which are of one photo."""
    twins = {frozenset(pair) for pair in planted.faults["duplicate"].items()}
    usable = np.flatnonzero(~seen.blank)
    vectors, mean = seen.evidence.images.astype(np.float16), seen.judge.workspace.mean("image")
    near = usable[pairs(vectors, usable, mean, ALIKE, NEIGHBOURS)]
    keys = [key_of(item.id) for item in seen.items]
    # what has the same bytes is one photo already, and photos of no planted twin are others
    near = near[[seen.keys[a] != seen.keys[b] for a, b in near.tolist()]]
    known = [frozenset((keys[a], keys[b])) in twins for a, b in near.tolist()]
    prints = {row: seen.quality[row].print for row in np.unique(near).tolist()}  # type: ignore[union-attr]
    left, right = (np.stack([prints[row] for row in side]) for side in near.T.tolist())
    return apart(left, right), np.array(known)


def main() -> None:
    encoder, space = resolve(None), load_labels("fashion-products")
    samples: dict[tuple[str, bool], list[Samples]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        for seed in SEEDS:
            planted = plant("val", Path(scratch) / str(seed), seed)
            with Workspace.open(Path(scratch) / "workspace", encoder) as workspace:
                catalog = read_catalog(
                    str(planted.folder / "images"), planted.folder / "titles.csv"
                )
                seen = Seen.of(Judge(workspace, space), catalog, {}, DEFAULTS)
                for key, sample in doubts(seen, planted):
                    samples[key].append(sample)
                samples["same", True].append(copies(seen, planted))
    for key, some in samples.items():
        evidence, wrong = (np.concatenate(part) for part in zip(*some, strict=True))
        model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(evidence, wrong)
        weights = ", ".join(f"{w:.2f}" for w in (*model.intercept_, *model.coef_[0]))
        print(f"{key}: {weights}  ({wrong.sum()} of {len(wrong):,} planted)", flush=True)


if __name__ == "__main__":
    main()
