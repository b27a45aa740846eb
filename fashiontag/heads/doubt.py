"""What speaks against a label that somebody gave: the picture, and the other pictures so labelled.

By Bayes, a picture supports a label as far as it gives it a share. What it gives to the best other
label, over that, are the odds against (in logits). A model mixes some labels up (brown and black,
casual and sports shoes), and a catalogue shows which: where many products of a label look like one
other, one more that does is no news. So the second part of the evidence is how much more usual that
look is in the catalogue than among the products of the label (as confident learning counts,
Northcutt et al., JAIR 2021, but with soft counts that are shrunk). The third is what another
witness, a column of the table or the title, says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

FLOOR = 1e-4
"""Shares below it are alike: nobody can measure them."""

CONFLICT = 0.8
"""From which chance, by the picture's odds alone, a row's message says that photo and title
disagree."""

_SHRUNK = 5.0  # products that a label is taken to have had before the first
_USUAL = 0.6  # of which this share looked as it says, and the rest like any product


@dataclass(frozen=True, slots=True)
class Weights:
    """Of the evidence, in a logistic regression.

    Fitted by `benchmarks.fit_audit` on `val`, where 2 % of titles and of cells were made wrong:
    where fewer are, fewer findings are right. What the products of a label look like elsewhere in
    the catalogue (neighbours, a classifier of its own) added nothing to these three.
    """

    offset: float
    odds: float
    look: float
    witness: float


WEIGHTS = {
    ("title", True): Weights(-3.43, 0.65, 1.08, 0.86),
    ("title", False): Weights(-4.21, 0.65, 1.38, 1.25),
    ("column", True): Weights(-6.43, 0.83, 0.53, 0.0),
    ("column", False): Weights(-5.95, 0.71, 0.89, 0.0),
    ("alone", True): Weights(-5.10, 0.90, 0.0, 0.0),
    ("alone", False): Weights(-5.05, 0.85, 0.0, 0.0),
}
"""By what gave the label (the title; a column; a title of which nothing else is known than its own
picture), and whether the group says what a product is, or its colour and the like."""


@dataclass(frozen=True, slots=True)
class Against:
    """The evidence against n labels of one group, all arrays of shape (n,).

    Attributes
    ----------
    rows : ndarray, int64
        Which products: those with one label given, and another that the picture prefers.
    said, seen : ndarray, int64
        Columns of the label given and of the one preferred.
    odds, look, witness : ndarray, float64
        The evidence as above, in logits; `witness` is 1 where another source names what is
        seen, -1 where it names what is said, else 0.
    """

    rows: NDArray[np.int64]
    said: NDArray[np.int64]
    seen: NDArray[np.int64]
    odds: Doubles
    look: Doubles
    witness: Doubles

    def chance(self, source: str, *, main: bool) -> Doubles:
        """Return the chance that each label doesn't fit, shape (n,), in [0, 1]."""
        w = WEIGHTS[source, main]
        logits = w.offset + w.odds * self.odds + w.look * self.look + w.witness * self.witness
        return np.asarray(1 / (1 + np.exp(-logits)))


def judged_groups(space: LabelSpace) -> tuple[str, ...]:
    """Return the groups in which errors were measured: what a product is, and its colour."""
    main = {space.main.name} if space.main else set()
    return tuple(
        group.name
        for group in space.groups
        if group.exclusive and group.visible and (group.name in main or is_of_colours(group.name))
    )


def is_of_colours(name: str) -> bool:
    """Whether a group or a column is named after colours."""
    return any(word in name.lower() for word in ("color", "colour"))


def evidence_against(
    space: LabelSpace,
    group: str,
    named: Floats,
    scores: Scores,
    looks: Scores,
    witness: NDArray[np.int64] | None = None,
) -> Against:
    """Weigh the labels that n products were given in an exclusive group.

    Parameters
    ----------
    space : LabelSpace
    group : str
    named : ndarray of shape (n, t), in [0, 1]
        What was given, as `TitleMatcher.score` has it; a product counts where one label has 1. A
        label with less is allowed too.
    scores : Scores
        Of all that speaks for the product's labels beside what was given.
    looks : Scores
        Of pictures alone.
    witness : ndarray of shape (n,), int64, or None
        The column of the label that another source gives, -1 for none.
    """
    span, place = space.span(group), space.names.index(group)
    size = span.stop - span.start
    kin = np.eye(size, dtype=bool)  # labels above and under: no contradiction
    for child, upper in space.above.items():
        if span.start <= child < span.stop:
            for parent in upper:
                kin[child - span.start, parent - span.start] = True
                kin[parent - span.start, child - span.start] = True
    own, pictures = scores.labels[:, span], looks.labels[:, span].astype(np.float64)
    given = named[:, span]
    single = (given == 1).sum(axis=1) == 1
    said = given.argmax(axis=1)
    allowed = (given > 0) @ kin
    support = np.where(allowed, own, 0).sum(axis=1)
    others = np.where(allowed, 0, own)
    seen, best = others.argmax(axis=1), others.max(axis=1)
    usual = pictures.mean(axis=0) if len(pictures) else np.zeros(size)
    members = np.eye(size)[said] * single[:, None]
    looked = members.T @ pictures + _SHRUNK * (_USUAL * np.eye(size) + (1 - _USUAL) * usual)
    looked /= members.sum(axis=0)[:, None] + _SHRUNK
    rows = np.flatnonzero(single & (best > support) & (best > scores.unknown[:, place]))
    news = np.log(usual + 1e-9) - np.log(looked[said[rows]] + 1e-9)
    odds = np.log(best[rows] + FLOOR) - np.log(support[rows] + FLOOR)
    other = np.zeros(len(rows))
    if witness is not None:
        says = witness[rows] - span.start
        known = (says >= 0) & (says < size)
        at = np.where(known, says, 0)
        other = np.where(kin[at, said[rows]], -1.0, np.where(kin[at, seen[rows]], 1.0, 0.0)) * known
    return Against(
        rows,
        span.start + said[rows],
        span.start + seen[rows],
        odds.astype(np.float64),
        (np.where(allowed[rows], 0, pictures[rows]) * news).sum(axis=1),
        other,
    )
