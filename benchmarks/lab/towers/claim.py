"""StyleSense's claim: pictures mistake the material, titles the cut, and both together neither.

Tested on products whose title names a material or a cut: the word is taken out of the title, and
predicted from the picture, from what is left of the title, and from both, in a cross-validation
that keeps families whole.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.lab.bootstrap import FamilyBootstrap, Interval
from benchmarks.lab.methods import Rows, Task
from fashiontag.heads.training import Training
from fashiontag.labels import LabelSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.lab.methods import Method
    from fashiontag.datamodels import Item
    from fashiontag.labels import Group

LEAST_FAMILIES = 10
"""A word that fewer families name can't be cross-validated: one in five would leave one or two."""
FOLDS = 5

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Named:
    """Products whose title names exactly one label of a group.

    Attributes
    ----------
    rows : Rows
        Their titles lack every word of the group; their targets are the labels that were named.
    space : LabelSpace
        The labels that enough families name.
    several, rare : int
        Products that were left out, for naming two labels or one of too few families.
    at : ndarray of shape (n,), int64
        Where they stand among the items given.
    """

    rows: Rows
    space: LabelSpace
    several: int
    rare: int
    at: Ints

    @property
    def truth(self) -> Ints:
        """The column of each product's label, shape (n,)."""
        return np.asarray(self.rows.targets.argmax(axis=1), np.int64)


@dataclass(frozen=True, slots=True)
class Repaired:
    """Of the products that one modality mistakes, how many both together get right."""

    mistaken: int
    right: int
    share: Interval | None


def find_named(
    items: Sequence[Item], families: Ints, group: Group, least: int = LEAST_FAMILIES
) -> Named:
    """Find the products that name one label of a group, and take the group's words out."""
    terms = {term: at for at, label in enumerate(group.labels) for term in label.terms}
    longest = sorted(terms, key=len, reverse=True)
    spelled = ["[\\s-]*".join(map(re.escape, re.split(r"[\s-]+", term))) for term in longest]
    pattern = re.compile(
        r"\b(?:" + "|".join(f"({term})s?" for term in spelled) + r")\b", re.IGNORECASE
    )
    found = [
        {terms[longest[(match.lastindex or 0) - 1]] for match in pattern.finditer(item.text)}
        for item in items
    ]
    label_of = np.array([next(iter(some)) if len(some) == 1 else -1 for some in found], np.int64)
    counts = [len(np.unique(families[label_of == at])) for at in range(len(group.labels))]
    kept = [at for at, count in enumerate(counts) if count >= least]
    at = np.flatnonzero(np.isin(label_of, kept))
    labels = tuple(group.labels[label] for label in kept)
    space = LabelSpace(group.name, (replace(group, labels=labels),), ())
    masked = [
        replace(items[row], text=" ".join(pattern.sub(" ", items[row].text).split()))
        for row in at.tolist()
    ]
    nothing = np.zeros((len(masked), 1), np.float16)
    training = Training(
        tuple(item.id for item in masked),
        tuple(hashlib.blake2b(item.image.read(), digest_size=16).hexdigest() for item in masked),
        tuple(item.text for item in masked),
        nothing,
        nothing,
        space,
        (label_of[at][:, None] == np.array(kept)).astype(np.int8),
    )
    return Named(
        Rows(tuple(masked), families[at], training),
        space,
        sum(len(some) > 1 for some in found),
        int(((label_of >= 0) & ~np.isin(label_of, kept)).sum()),
        at,
    )


def folds(named: Named, seed: int, count: int = FOLDS) -> Ints:
    """Deal families to twice as many bins as there are folds, label by label: shape (n,)."""
    rng = np.random.default_rng(seed)
    bins = np.full(len(named.rows), -1, np.int64)
    for label in range(named.space.size):
        of_label = named.truth == label
        for number, family in enumerate(rng.permutation(np.unique(named.rows.families[of_label]))):
            there = (named.rows.families == family) & (bins < 0)
            bins[there] = (number + label) % (2 * count)
    return bins


def predictions(named: Named, method: Method, task: Task, count: int = FOLDS) -> Ints:
    """Return the label that each product gets from a model that never saw its family, (n,).

    Seven bins of ten train, one is val, two are predicted; `task` gives all but rows and labels.
    """
    bins = folds(named, task.seed, count)
    out = np.full(len(named.rows), -1, np.int64)
    for fold in range(count):
        test = np.flatnonzero(bins // 2 == fold)
        val = np.flatnonzero(bins == (2 * fold + 2) % (2 * count))
        train = np.setdiff1d(np.arange(len(bins)), np.concatenate([test, val]))
        fitted = method(
            replace(
                task,
                space=named.space,
                train=named.rows.take(train),
                val=named.rows.take(val),
                condition="masked",
                shots=None,
            )
        )
        out[test] = fitted.scores(named.rows.take(test).blind()).argmax(axis=1)
    return out


def share(right: Bools, families: Ints, among: Bools | None = None) -> Interval | None:
    """Return the share of products that are right, with its interval; None among nobody."""
    among = np.ones(len(right), bool) if among is None else among
    if not among.any():
        return None
    return FamilyBootstrap(families[among]).mean(right[among].astype(np.float64))


def gain(first: Bools, second: Bools, families: Ints) -> Interval:
    """Return how much oftener the first is right than the second, paired by product."""
    return FamilyBootstrap(families).mean(first.astype(np.float64) - second)


def repaired(alone: Bools, both: Bools, families: Ints, among: Bools | None = None) -> Repaired:
    """Count the mistakes of one modality that both together don't make."""
    mistaken = ~alone if among is None else ~alone & among
    return Repaired(
        int(mistaken.sum()), int((both & mistaken).sum()), share(both, families, mistaken)
    )
