"""Products whose labels are known, or named by their titles → the constants of a group.

With true labels every constant is fitted. With titles alone a picture is judged by what its title
names. Such labels can't judge the titles themselves, so there a word is believed; and titles name
selectively: where they are silent pictures are wrong more often, which cuts allow for (`SILENT`).

Titles that are wrong are no trouble: 1 to 4 of 100 on val and pool, nearly all where the picture is
unsure too. Estimating their share together with the picture's weight (forward correction, Patrini
et al., CVPR 2017) took the model's own sure mistakes for theirs: 15 of 100 types, and types given
to all of val's pictures where true labels give .87 of them one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.heads.statistics import GroupConstants

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

PRECISION = 0.88
"""Cuts aim at this on val, so that 0.85 is left on pictures that they were not chosen on."""

PRECISION_DEFAULT = 0.91
"""The same for the default labels, so that 0.9 is left."""

PRECISION_MAIN = 0.93
"""The same for what a product is, on which other groups lean, so that 0.92 is left."""

LEFT_OUT = 0.15
"""Share of pictures whose own label is taken from the offer while weights are fitted, so that
"unknown" is right. Cuts look at all as they are: on pictures left out so, .88 was .95 of the tags
of others, and a fifth of the default categories was withheld for that."""

DOUBTFUL = 0.3
"""Weight of a product that is taken to have no label of a group, as its title names none: it may
still have one, for titles leave out what the picture shows."""

MOST = 5000
"""Rows on which an exclusive group's weights are searched; cuts look at all. Not in an open group,
of which every label of every product is a row: few of them are true."""

SILENT = 2.5
"""Times by which the odds of a wrong tag are higher where the title names no label of the group: 2
to 4 for types, colours and audiences of pool and val, two models, at any score."""


@dataclass(frozen=True)
class GroupData:
    """One group's evidence over n products and then m pictures of nothing.

    Attributes
    ----------
    seen : ndarray of shape (n + m, k)
        Cosines of the pictures with the labels that a picture can show.
    background : ndarray of shape (n + m,)
    said, words : list of ndarray of shape (n, k)
        One per title condition.
    truth : ndarray of shape (n + m,), int
        The true column; k is "unknown", -1 is not known.
    weak : bool
        Whether the truth is only what the plain title says.
    main : bool
        Whether the group says what a product is: only there a label outside the offer is another
        thing; a navy shirt offered every colour but navy is still blue.
    source : str
        What labelled data these are, for ``fitted_on``.
    """

    seen: Floats
    background: Floats
    said: list[Floats]
    words: list[Floats]
    truth: Ints
    weak: bool
    main: bool
    source: str

    @property
    def size(self) -> int:
        """The number of labels k."""
        return int(self.seen.shape[1])

    def part(self, rows: NDArray[np.bool_]) -> GroupData:
        """Return some of the products, where all have a picture of one."""
        return replace(
            self,
            seen=self.seen[rows],
            background=self.background[rows],
            said=[said[rows] for said in self.said],
            words=[words[rows] for words in self.words],
            truth=self.truth[rows],
        )

    @property
    def row_weights(self) -> Floats:
        """What each row counts, shape (n + m,)."""
        return np.where((self.truth == self.size) & self.weak, DOUBTFUL, 1.0)


@dataclass(frozen=True)
class Rows:
    """What one fit is made on: the evidence of r rows, their truth and their weight."""

    seen: Floats
    said: Floats
    words: Floats
    background: Floats
    truth: Ints
    weight: Floats

    @classmethod
    def of(cls, data: GroupData, *, titled: bool, known: bool = True) -> Rows:
        """Take the rows whose truth is known: once without titles, or once per title condition.

        With ``known`` false, those whose isn't.
        """
        products_only = len(data.said[0]) if titled else len(data.truth)
        rows = np.flatnonzero((data.truth[:products_only] >= 0) == known)
        times = len(data.said) if titled else 1
        none = np.zeros((len(rows), data.size))
        return cls(
            seen=np.concatenate([data.seen[rows]] * times),
            said=np.concatenate([said[rows] for said in data.said]) if titled else none,
            words=np.concatenate([words[rows] for words in data.words]) if titled else none,
            background=np.concatenate([data.background[rows]] * times),
            truth=np.concatenate([data.truth[rows]] * times),
            weight=np.concatenate([data.row_weights[rows]] * times),
        )

    @classmethod
    def all(cls, data: GroupData) -> Rows:
        """Take all pictures, without titles."""
        none = np.zeros_like(data.seen)
        return cls(data.seen, none, none, data.background, data.truth, data.row_weights)

    def thinned(self, most: int) -> Rows:
        """Return at most so many rows, evenly spread."""
        step = -(-len(self.truth) // most)
        return Rows(*(getattr(self, field.name)[::step] for field in fields(self)))


@dataclass(frozen=True)
class Weights:
    """What a fit finds; the weights are positive, so their logarithms are searched."""

    image: float
    unknown: float
    title: float = 0.0
    words: float = 0.0

    @classmethod
    def of(cls, parameters: Floats) -> Weights:
        """Read what was searched."""
        image, unknown, *rest = parameters.tolist()
        return cls(float(np.exp(image)), unknown, *(float(np.exp(value)) for value in rest))

    def exclusive_shares(self, rows: Rows) -> Floats:
        """Return scores of shape (r, k + 1), "unknown" last; the formula of `GroupConstants`."""
        votes = self.image * rows.seen + self.title * rows.said + self.words * rows.words
        nothing = np.logaddexp(self.unknown, self.image * rows.background)
        logits = np.column_stack([votes, nothing])
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def open_logits(self, rows: Rows) -> Floats:
        """Return the logits of an open group's scores, shape (r, k)."""
        votes = self.image * rows.seen + self.title * rows.said + self.words * rows.words
        return np.asarray(votes - self.unknown)


def exclusive_loss(weights: Weights, rows: Rows) -> float:
    """Return the mean surprise at the true labels, in nats."""
    picked = np.take_along_axis(weights.exclusive_shares(rows), rows.truth[:, None], axis=1)[:, 0]
    return float(-(rows.weight * np.log(picked + 1e-12)).sum() / rows.weight.sum())


def open_loss(weights: Weights, rows: Rows) -> float:
    """Return the surprise at what labels hold and don't, a product, in nats."""
    logits = weights.open_logits(rows)
    losses = np.logaddexp(0, logits) - hot(rows) * logits
    return float((rows.weight[:, None] * losses).sum() / rows.weight.sum())


def hot(rows: Rows) -> Floats:
    """Return the truth as 0 and 1, shape (r, k); "unknown" is a row of zeros."""
    return np.asarray(np.eye(rows.seen.shape[1] + 1)[rows.truth][:, :-1])


def search(
    loss: Callable[[Weights, Rows], float], rows: Rows, start: list[float], nudge: float = 1e-3
) -> Weights:
    """Return the weights of least loss, from a start to which they are nudged."""
    from scipy.optimize import minimize

    def penalised(parameters: Floats) -> float:
        # A nudge towards the start keeps weights finite where titles decide everything.
        away = parameters - np.array(start)
        return loss(Weights.of(parameters), rows) + nudge * float(away @ away)

    bounds = [(-4.0, 5.0), (-30.0, 30.0), (-6.0, 5.0), (-4.0, 3.0)][: len(start)]
    return Weights.of(minimize(penalised, start, method="L-BFGS-B", bounds=bounds).x)


def fit_exclusive(data: GroupData, aim: float = PRECISION) -> GroupConstants:
    """Fit an exclusive group: weights by likelihood, cuts where precision is as wanted."""
    offer = leave_out(data) if data.main else data
    aim = PRECISION_MAIN if data.main else aim
    pictures = Rows.of(data, titled=False)
    alone = search(exclusive_loss, Rows.of(offer, titled=False).thinned(MOST), [3.0, 0.0])
    if data.weak:  # its truth came from the titles, so they can't be judged by it
        silent = Rows.of(data, titled=False, known=False)
        return words_decide(alone, exclusive_cut(alone, pictures, aim, silent=silent), data.source)
    both = Rows.of(data, titled=True)
    start = [np.log(alone.image), alone.unknown, 2.0, 1.0]
    found = search(exclusive_loss, Rows.of(offer, titled=True).thinned(MOST), start)
    cut_alone = exclusive_cut(alone, pictures, aim)
    # Titles that contradict the table ("sandals" for flats) would raise the cut, and no cut helps.
    cut = min(exclusive_cut(found, both, aim, len(data.said)), cut_alone)
    return GroupConstants(
        alone.image, alone.unknown, found.image, found.title, found.words, found.unknown,
        cut_alone, cut, data.source,
    )  # fmt: skip


def words_decide(alone: Weights, cut_alone: float, source: str) -> GroupConstants:
    """Return constants of a group of which only pictures were judged: a title's word is believed.

    Six above "unknown" is a score of 0.997 against it, which the cut then has to let through.
    """
    words = max(alone.unknown, 0.0) + 6.0
    # A picture that may give no label without a title may give none beside one.
    image = alone.image if cut_alone < 1 else 0.0
    return GroupConstants(
        alone.image, alone.unknown, image, 0.0, words, alone.unknown,
        cut_alone, min(cut_alone, 0.9), source,
    )  # fmt: skip


def fit_open(data: GroupData) -> GroupConstants:
    """Fit an open group, each label against the rest."""
    pictures = stack([Rows.of(data, titled=False)])
    alone = search(open_loss, pictures, [0.0, 4.0])
    if data.weak:
        return words_decide(alone, open_cut(alone, pictures), data.source)
    both = stack([Rows.of(data, titled=True)])
    found = search(open_loss, both, [np.log(alone.image), alone.unknown, -1.0, 1.0])
    return GroupConstants(
        alone.image, alone.unknown, found.image, found.title, found.words, found.unknown,
        open_cut(alone, pictures), open_cut(found, both), data.source,
    )  # fmt: skip


def even(data: GroupData) -> Rows:
    """Return a group's pictures with weights that add up to 1 over all labels."""
    rows = Rows.of(data, titled=False)
    return replace(rows, weight=rows.weight / rows.weight.sum() / data.size)


def stack(parts: list[Rows]) -> Rows:
    """Put groups of different sizes under each other: every label becomes a row of its own."""
    single = []
    for part in parts:
        size = part.seen.shape[1]
        single.append(
            Rows(
                seen=part.seen.reshape(-1, 1),
                said=part.said.reshape(-1, 1),
                words=part.words.reshape(-1, 1),
                background=np.repeat(part.background, size),
                truth=1 - hot(part).astype(np.int64).ravel(),
                weight=np.repeat(part.weight, size),
            )
        )
    return Rows(
        *(np.concatenate([getattr(one, field.name) for one in single]) for field in fields(Rows))
    )


def leave_out(data: GroupData) -> GroupData:
    """Take the true label of some products from the offer: "unknown" is then the right answer."""
    rng = np.random.default_rng(7)
    known = (data.truth >= 0) & (data.truth < data.size)
    rows = np.flatnonzero(known & (rng.random(len(known)) < LEFT_OUT))
    columns = data.truth[rows]
    truth, seen = data.truth.copy(), data.seen.copy()
    truth[rows], seen[rows, columns] = data.size, -10.0
    said, words = [one.copy() for one in data.said], [one.copy() for one in data.words]
    for one, nothing in ((said, -10.0), (words, 0.0)):
        for condition in one:
            condition[rows, columns] = nothing
    return replace(data, truth=truth, seen=seen, said=said, words=words)


def best_labels(weights: Weights, rows: Rows) -> tuple[Floats, Ints]:
    """Return the best label's score, 0 where "unknown" is ahead, and its column: (r,) each."""
    shares = weights.exclusive_shares(rows)
    best = shares[:, :-1].argmax(axis=1)
    score = shares[np.arange(len(best)), best]
    return np.where(score >= shares[:, -1], score, 0.0), best


def exclusive_cut(
    weights: Weights, rows: Rows, aim: float, conditions: int = 1, silent: Rows | None = None
) -> float:
    """Return the lowest cut that keeps a precision in every title condition, not on average."""
    score, best = best_labels(weights, rows)
    right = best == rows.truth
    others = best_labels(weights, silent)[0] if silent is not None else np.empty(0)
    parts = [part[score[part] > 0] for part in np.array_split(np.arange(len(best)), conditions)]
    return max(lowest_cut(score[part], right[part], aim, others) for part in parts)


def open_cut(weights: Weights, rows: Rows) -> float:
    """Return the lowest cut of stacked rows that keeps the precision."""
    score = 1 / (1 + np.exp(-weights.open_logits(rows)[:, 0]))
    return max(lowest_cut(score, rows.truth == 0, PRECISION), 0.3)


def lowest_cut(
    score: Floats, right: NDArray[np.bool_], aim: float, silent: Floats | None = None
) -> float:
    """Return the smallest threshold above which precision is as wanted; 1 where none is.

    ``silent`` are scores of products of which nobody knows what is right; see `SILENT`.
    """
    order = np.argsort(-score)
    count = np.arange(1, len(order) + 1)
    precision = np.cumsum(right[order]) / count
    if silent is not None and len(silent):
        more = len(silent) - np.searchsorted(np.sort(silent), score[order])
        theirs = precision / (precision + SILENT * (1 - precision))
        precision = (count * precision + more * theirs) / (count + more)
    good = np.flatnonzero((precision >= aim) & (count > 20))
    if not len(good):
        return 1.0
    return 0.0 if good[-1] == len(order) - 1 else round(float(score[order][good[-1]]), 4)


def surely_between(share: float, count: int) -> tuple[float, float]:
    """Return Clopper and Pearson's 95 % interval of a share of so many."""
    from scipy.stats import beta

    right, wrong = share * count, (1 - share) * count
    least = beta.ppf(0.025, right, wrong + 1) if right > 0 else 0.0
    return float(least), float(beta.ppf(0.975, right + 1, wrong)) if wrong > 0 else 1.0
